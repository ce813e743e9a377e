{{/*
One pod of Ray. KubeRay writes the command, and copies security, environment and mounts into the containers it adds.
Call with (dict "root" $ "component" "ray-gpu" "account" "ray-worker" "group" .Values.ray.gpu "image" .Values.images.gpu).
*/}}
{{- define "sightline.rayPod" -}}
{{- $isHead := eq .component "ray-head" -}}
metadata:
  labels:
    {{- include "sightline.labels" . | nindent 4 }}
    sightline/ray: "true"
  annotations:
    # Stages read the site file when they start: a change of it is a change of the cluster.
    sightline/site: {{ include "sightline.siteFile" .root | sha256sum | trunc 16 | quote }}
spec:
  # Autoscaler v2 demands it: a pod that ends is replaced, not restarted.
  restartPolicy: Never
  terminationGracePeriodSeconds: {{ include "sightline.graceSeconds" .root }}
  {{- include "sightline.pod" (dict "root" .root "account" .account "level" "stages" "placement" .group) | nindent 2 }}
  {{- include "sightline.spread" . | nindent 2 }}
  {{- if and (include "sightline.hasModelJob" .root) (not $isHead) }}
  initContainers:
    - name: wait-for-models
      image: {{ include "sightline.image" . }}
      imagePullPolicy: {{ .image.pullPolicy }}
      command: [sh, -c, 'until test -e "/models/.complete-$0"; do sleep 2; done', {{ include "sightline.modelList" .root | sha256sum | trunc 16 | quote }}]
      securityContext: {{- include "sightline.security" .root | nindent 8 }}
      resources: {{- include "sightline.resources" (dict "cpu" "100m" "memory" "64Mi") | nindent 8 }}
      volumeMounts:
        - {name: models, mountPath: /models, readOnly: true}
  {{- end }}
  containers:
    - name: ray
      image: {{ include "sightline.image" . }}
      imagePullPolicy: {{ .image.pullPolicy }}
      securityContext: {{- include "sightline.security" .root | nindent 8 }}
      resources:
        {{- if $isHead }}
        {{- include "sightline.resources" (dict "cpu" .group.cpu "memory" .group.memory) | nindent 8 }}
        {{- else }}
        {{- include "sightline.resources" (dict "cpu" .group.cpus "memory" .group.memory "gpus" .group.gpus) | nindent 8 }}
        {{- end }}
      ports:
        {{- if $isHead }}
        - {name: gcs-server, containerPort: 6379}
        - {name: dashboard, containerPort: 8265}
        - {name: client, containerPort: 10001}
        {{- end }}
        # KubeRay makes no Service without it, and calls nobody there: proxy_location is Disabled.
        - {name: serve, containerPort: 8000}
        - {name: metrics, containerPort: 8080}
        - {name: dashboard-agent, containerPort: 52365}
      env:
        {{- include "sightline.environment" .root | nindent 8 }}
        - {name: HF_HUB_OFFLINE, value: "1"}
        - {name: RAY_USAGE_STATS_ENABLED, value: "0"}
        # Told to end, a worker first drains its stages, and the head waits for it: as long as Serve gives a stage.
        - {name: RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S, value: {{ sub (include "sightline.graceSeconds" .root | int) 10 | quote }}}
      {{- include "sightline.secrets" .root | nindent 6 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: ray-logs, mountPath: /tmp/ray}
        - {name: shared-mem, mountPath: /dev/shm}
        {{- if and .root.Values.models.cache.enabled (not $isHead) }}
        - {name: models, mountPath: /models, readOnly: true}
        {{- end }}
        {{- include "sightline.siteMount" .root | nindent 8 }}
      # KubeRay's own readiness probe asks Serve's HTTP proxy, which does not run here: no worker would ever be ready.
      startupProbe:
        httpGet: {path: /api/local_raylet_healthz, port: dashboard-agent}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: {{ div (include "sightline.startupSeconds" .root | int) 5 }}
      readinessProbe:
        {{- if $isHead }}
        httpGet: {path: /api/gcs_healthz, port: dashboard}
        {{- else }}
        httpGet: {path: /api/local_raylet_healthz, port: dashboard-agent}
        {{- end }}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 3
      livenessProbe:
        httpGet: {path: /api/local_raylet_healthz, port: dashboard-agent}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 12
  volumes:
    - {name: tmp, emptyDir: {}}
    - {name: ray-logs, emptyDir: {}}
    - name: shared-mem
      emptyDir: {medium: Memory, sizeLimit: {{ .group.sharedMemory }}}
    {{- if and .root.Values.models.cache.enabled (not $isHead) }}
    - name: models
      persistentVolumeClaim: {claimName: {{ include "sightline.modelClaim" .root }}, readOnly: true}
    {{- end }}
    {{- include "sightline.siteVolume" (dict "root" .root "config" "site") | nindent 4 }}
{{- end -}}

{{/* What the restricted Pod Security Standard asks of a pod. */}}
{{- define "sightline.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* … and of every container; the root filesystem is read-only besides. */}}
{{- define "sightline.security" -}}
runAsNonRoot: true
runAsUser: 1000
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* What all pods share. Call with (dict "root" $ "account" "ingest" "level" "ingest" "placement" .Values.ingest). */}}
{{- define "sightline.pod" -}}
serviceAccountName: {{ include "sightline.name" .root }}-{{ .account }}
automountServiceAccountToken: {{ eq .account "ray-head" }}
enableServiceLinks: false
securityContext: {{- include "sightline.podSecurity" . | nindent 2 }}
{{- with include "sightline.priorityClass" . }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .placement.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .placement.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Replicas over zones and nodes, as far as there are any. */}}
{{- define "sightline.spread" -}}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "sightline.selector" $ | nindent 8 }}
  {{- end }}
{{- end -}}

{{/* Requests and limits alike: what is reserved is what there is. */}}
{{- define "sightline.resources" -}}
requests:
  cpu: {{ .cpu | quote }}
  memory: {{ .memory }}
  {{- with .gpus }}
  nvidia.com/gpu: {{ . | quote }}
  {{- end }}
limits:
  cpu: {{ .cpu | quote }}
  memory: {{ .memory }}
  {{- with .gpus }}
  nvidia.com/gpu: {{ . | quote }}
  {{- end }}
{{- end -}}

{{- define "sightline.siteMount" -}}
- name: site
  mountPath: /etc/sightline
  readOnly: true
{{- if .Values.secrets.kafkaTls.existingSecret }}
- name: kafka-tls
  mountPath: /etc/sightline-kafka
  readOnly: true
{{- end }}
{{- end -}}

{{/* Call with (dict "root" $ "config" "site"), or "ingest". */}}
{{- define "sightline.siteVolume" -}}
- name: site
  configMap:
    name: {{ include "sightline.name" .root }}-{{ .config }}
{{- with .root.Values.secrets.kafkaTls.existingSecret }}
- name: kafka-tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{/* Passwords and `${NAME}` of the site file. */}}
{{- define "sightline.secrets" -}}
envFrom:
  - secretRef:
      name: {{ .Values.secrets.existingSecret }}
{{- end -}}

{{/* The variables of every process of the program. */}}
{{- define "sightline.environment" -}}
- {name: HOME, value: /tmp}
- {name: SIGHTLINE_DATA_DIR, value: /tmp/sightline}
- {name: SIGHTLINE_LOG_FORMAT, value: json}
{{- end -}}

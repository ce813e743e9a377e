{{/* `45s`, `1h30m`, `250ms` or a number, in seconds, as the program reads it. */}}
{{- define "sightline.seconds" -}}
{{- if kindIs "string" . -}}
  {{- $units := dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0 -}}
  {{- $sum := 0.0 -}}
  {{- range regexFindAll "[0-9]+([.][0-9]+)?(ms|s|m|h|d)" . -1 -}}
    {{- $unit := regexFind "[a-z]+$" . -}}
    {{- $sum = addf $sum (mulf (trimSuffix $unit . | float64) (get $units $unit)) -}}
  {{- end -}}
  {{- $sum -}}
{{- else -}}
  {{- . | float64 -}}
{{- end -}}
{{- end -}}

{{- define "sightline.hasEncoder" -}}
{{- if or (ne .Values.siteFile.models.detector "motion") (ne .Values.siteFile.models.encoder "none") -}}true{{- end -}}
{{- end -}}

{{- define "sightline.hasVlm" -}}
{{- $vlm := .Values.siteFile.models.vlm -}}
{{- if and (ne $vlm "none") (not (hasPrefix "openai:" $vlm)) -}}true{{- end -}}
{{- end -}}

{{/* The stages that run here, as JSON: name to bounds and needs of its replicas. */}}
{{- define "sightline.stages" -}}
{{- $cluster := .Values.siteFile.settings.cluster -}}
{{- $stages := pick $cluster "watchers" "reasoners" "alerting" -}}
{{- if include "sightline.hasEncoder" . }}{{ $_ := set $stages "encoder" $cluster.encoder }}{{ end -}}
{{- if include "sightline.hasVlm" . }}{{ $_ := set $stages "vlm" $cluster.vlm }}{{ end -}}
{{- toJson $stages -}}
{{- end -}}

{{/*
The configuration of Ray Serve, as `sightline cluster config` prints it for the same site file; a test of the program
holds the two against each other.
*/}}
{{- define "sightline.serveConfig" -}}
{{- $settings := .Values.siteFile.settings -}}
{{- $cluster := $settings.cluster -}}
{{- $frames := int64 $cluster.batch_frames -}}
{{- $message := add (max 16777216 (int64 $settings.bus.max_message_bytes)) (mul $frames 16384) 1048576 -}}
{{- $age := dict "age_limit_seconds" (include "sightline.seconds" $cluster.oldest_frame_limit | float64) "lag_limit" (float64 $settings.bus.in_flight) -}}
{{- $verdicts := dict "verdict_age_limit_seconds" (mulf 0.25 (include "sightline.seconds" $settings.reasoning.deadline | float64)) "verdicts_limit" (float64 $settings.reasoning.workers) -}}
{{- $policies := dict
  "watchers" (dict "policy_function" "pipeline.runtime.serving.autoscale:OldestAgePolicy" "policy_kwargs" $age)
  "alerting" (dict "policy_function" "pipeline.runtime.serving.autoscale:OldestAgePolicy" "policy_kwargs" $age)
  "reasoners" (dict "policy_function" "pipeline.runtime.serving.autoscale:OldestAgePolicy" "policy_kwargs" (merge $verdicts $age))
  "encoder" (dict "policy_function" "pipeline.runtime.serving.autoscale:FramesInHandPolicy" "policy_kwargs" (dict "frames_limit" (mulf 1.5 $frames)))
-}}
proxy_location: Disabled
logging_config: {log_level: WARNING, enable_access_log: false}
applications:
{{- $stages := include "sightline.stages" . | fromJson }}
{{- range $name := list "watchers" "encoder" "reasoners" "vlm" "alerting" }}
{{- with get $stages $name }}
  {{- $most := int .max }}
  {{- $least := int .min }}
  {{- if has $name (list "watchers" "reasoners") }}
    {{- $most = min $most (int $settings.bus.partitions) }}
    {{- $least = min $least $most }}
  {{- end }}
  {{- if ne $name "vlm" }}{{ $least = max $least 1 }}{{ end }}
  - name: {{ $name }}
    route_prefix: null
    import_path: pipeline.app.cluster:{{ $name }}
    args: {site: /etc/sightline/site.yaml}
    runtime_env:
      env_vars: {RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH: {{ $message | quote }}}
    deployments:
      - name: {{ $name }}
        {{- if eq $name "encoder" }}
        max_ongoing_requests: {{ mul $frames 3 }}
        max_queued_requests: 8
        {{- else if eq $name "vlm" }}
        max_ongoing_requests: 4
        max_queued_requests: {{ mul 2 (int $settings.reasoning.workers) }}
        {{- else }}
        max_ongoing_requests: 4
        {{- end }}
        graceful_shutdown_timeout_s: {{ addf (include "sightline.seconds" $settings.drain_for | float64) 10.0 }}
        health_check_period_s: 5.0
        health_check_timeout_s: 15.0
        ray_actor_options: {num_cpus: {{ .num_cpus }}, num_gpus: {{ .num_gpus }}}
        autoscaling_config:
          min_replicas: {{ $least }}
          max_replicas: {{ $most }}
          upscale_delay_s: {{ include "sightline.seconds" $cluster.scale_up_after }}
          downscale_delay_s: {{ include "sightline.seconds" $cluster.scale_down_after }}
          metrics_interval_s: 2.0
          look_back_period_s: 10.0
          {{- if eq $name "vlm" }}
          target_ongoing_requests: 2.0
          {{- end }}
    {{- with get $policies $name }}
    autoscaling_policy: {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The canary of `helm test`: a camera that only the test pod reads, and a rule that only the test pod hears of. */}}
{{- define "sightline.canary" -}}
cameras:
  - id: helm-test
    url: {{ .Values.test.clip | quote }}
rules:
  - id: helm-test
    track: {object: any, count_above: 0}
    cameras: [helm-test]
    severity: low
    verify: none
    cooldown: 0
    notify: [helm-test]
channels:
  helm-test:
    webhook: http://{{ include "sightline.name" . }}-test.{{ .Release.Namespace }}.svc:8080/
    allow_private: true
    # Not its end: the test pod is gone by then, and what cannot be delivered for a day raises an alarm.
    tell: [provisional, unverified]
{{- end -}}

{{/* The site file of the stages: that of the values, with the canary where `helm test` is wanted. */}}
{{- define "sightline.siteFile" -}}
{{- $site := deepCopy .Values.siteFile -}}
{{- if .Values.test.enabled -}}
  {{- $canary := include "sightline.canary" . | fromYaml -}}
  {{- $_ := set $site "cameras" (concat $site.cameras $canary.cameras) -}}
  {{- $_ := set $site "rules" (concat (default list $site.rules) $canary.rules) -}}
  {{- $_ := set $site "channels" (merge (default dict $site.channels) $canary.channels) -}}
{{- end -}}
{{- toYaml $site -}}
{{- end -}}

{{/* The site file of the test pod: the canary alone. */}}
{{- define "sightline.canaryFile" -}}
{{- $canary := include "sightline.canary" . | fromYaml -}}
{{- toYaml (merge (dict "settings" .Values.siteFile.settings "models" .Values.siteFile.models) $canary) -}}
{{- end -}}

{{/* Longest wait for a worker of Ray to be up: what it takes at least, and what its models take to be read. */}}
{{- define "sightline.startupSeconds" -}}
{{- add (int .Values.ray.startup.baseSeconds) (mul (int (ceil .Values.models.sizeGiB)) (int .Values.ray.startup.secondsPerGiB)) -}}
{{- end -}}

{{/* Until a process that is asked to stop is gone: `drain_for`, Ray's own margin, and ours. */}}
{{- define "sightline.graceSeconds" -}}
{{- add (int (ceil (include "sightline.seconds" .Values.siteFile.settings.drain_for | float64))) 20 -}}
{{- end -}}

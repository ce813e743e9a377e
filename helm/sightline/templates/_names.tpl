{{- define "sightline.name" -}}
{{- if contains .Chart.Name .Release.Name -}}{{ .Release.Name }}{{- else -}}{{ .Release.Name }}-{{ .Chart.Name }}{{- end -}}
{{- end -}}

{{/* Of one component's pods: what selectors match. Call with (dict "root" $ "component" "ingest"). */}}
{{- define "sightline.selector" -}}
app.kubernetes.io/part-of: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Ray's pods keep the name that KubeRay gives them: its Services select by it. */}}
{{- define "sightline.labels" -}}
{{ include "sightline.selector" . }}
{{- if not (hasPrefix "ray-" .component) }}
app.kubernetes.io/name: {{ .root.Chart.Name }}
{{- end }}
{{- end -}}

{{- define "sightline.metadata" -}}
name: {{ include "sightline.name" .root }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "sightline.labels" . | nindent 2 }}
  app.kubernetes.io/managed-by: {{ .root.Release.Service }}
  app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
  helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* REGISTRY/REPOSITORY@DIGEST, or :TAG where no digest is given. Call with (dict "root" $ "image" .Values.images.cpu). */}}
{{- define "sightline.image" -}}
{{- with .root.Values.global.imageRegistry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- .image.repository -}}
{{- if .image.digest }}@{{ .image.digest }}{{- else }}:{{ default .root.Chart.AppVersion .image.tag }}{{- end -}}
{{- end -}}

{{/* Cluster-scoped, so the namespace is in it. */}}
{{- define "sightline.priorityClass" -}}
{{- if .root.Values.priorityClasses.create -}}
{{ .root.Release.Namespace }}-{{ include "sightline.name" .root }}-{{ .level }}
{{- else -}}
{{ index .root.Values.priorityClasses .level "existing" }}
{{- end -}}
{{- end -}}

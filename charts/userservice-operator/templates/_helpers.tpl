{{- define "userservice-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* What says where an object comes from; values cannot change it. */}}
{{- define "userservice-operator.originLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- /* Build metadata of a version holds a plus, which no label may. */}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "userservice-operator.labels" -}}
{{ include "userservice-operator.selectorLabels" . }}
{{ include "userservice-operator.originLabels" . }}
{{- end }}

{{- /* The pod of helm test is none of the operator's: no Service, policy or budget selects it. */}}
{{- define "userservice-operator.verifyLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}-verify
app.kubernetes.io/instance: {{ .Release.Name }}
{{ include "userservice-operator.originLabels" . }}
{{- end }}

{{- /* One name for everything; it holds the chart's name once. */}}
{{- define "userservice-operator.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "userservice-operator.verify" -}}
{{ printf "%s-verify" (include "userservice-operator.name" . | trunc 56 | trimSuffix "-") }}
{{- end }}

{{- define "userservice-operator.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "userservice-operator.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "userservice-operator.name" .) }}
{{- end }}

{{- define "userservice-operator.subject" -}}
- kind: ServiceAccount
  name: {{ include "userservice-operator.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "userservice-operator.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "userservice-operator.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end }}

{{- /* Where pods of the operator's image may run, and with which credentials they are pulled. */}}
{{- define "userservice-operator.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

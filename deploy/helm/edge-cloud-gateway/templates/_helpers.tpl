{{- define "gateway.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "gateway.selector" -}}
app.kubernetes.io/name: edge-cloud-gateway
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gateway.labels" -}}
{{ include "gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Seconds that calls in flight have: by value, else the policy's longest deadline, else its default, 600. */}}
{{- define "gateway.graceSeconds" -}}
{{- if kindIs "invalid" .Values.graceSeconds -}}
{{- $policy := fromYaml .Values.policy -}}
{{- $deadlines := dig "resilience" "deadline_s" dict $policy -}}
{{- get $deadlines "max" | default 600 | int64 -}}
{{- else -}}
{{- .Values.graceSeconds | int64 -}}
{{- end -}}
{{- end -}}

{{/* The kubelet speaks gRPC without TLS only; with TLS the program in the image asks. */}}
{{- define "gateway.probe" -}}
{{- if .Values.tls.existingSecret -}}
exec: {command: [gateway, health]}
{{- else -}}
grpc: {port: {{ .Values.grpc.port }}, service: gateway.v1.GatewayService}
{{- end -}}
{{- end -}}

{{- define "gateway.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Refuses values that contradict each other, with what to write instead. */}}
{{- define "gateway.check" -}}
{{- $hasCallers := or .Values.keys.existingSecret .Values.tls.clientCa.existingSecret -}}
{{- if not (trim .Values.policy) -}}
{{- fail "policy: is missing; write --set-file policy=policy.yaml" -}}
{{- end -}}
{{- $policy := fromYaml .Values.policy -}}
{{- if hasKey $policy "Error" -}}
{{- fail "policy: is not YAML; try: gateway policy check policy.yaml" -}}
{{- end -}}
{{- if not .Values.insecure -}}
{{- if not .Values.tls.existingSecret -}}
{{- fail "tls.existingSecret: is missing; name a secret of type kubernetes.io/tls, or set insecure=true behind something that provides TLS and credentials" -}}
{{- end -}}
{{- if not $hasCallers -}}
{{- fail "keys.existingSecret: is missing; name a secret with keys.txt (gateway keys new), or set tls.clientCa.existingSecret" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.tls.clientCa.existingSecret (not .Values.tls.existingSecret) -}}
{{- fail "tls.clientCa.existingSecret: needs tls.existingSecret" -}}
{{- end -}}
{{- if and .Values.tls.clientCa.existingSecret (not .Values.tls.clientCa.probeSecret) -}}
{{- fail "tls.clientCa.probeSecret: is missing; probes need a certificate that this authority has signed" -}}
{{- end -}}
{{- if and .Values.state.url .Values.state.existingSecret -}}
{{- fail "state: url and existingSecret exclude each other" -}}
{{- end -}}
{{- if contains "@" .Values.state.url -}}
{{- fail "state.url: holds a password; put the URL into a secret and name it in state.existingSecret" -}}
{{- end -}}
{{- $isOne := and (not .Values.autoscaling.enabled) (le (int .Values.replicas) 1) -}}
{{- if and (not $isOne) (not .Values.state.url) (not .Values.state.existingSecret) -}}
{{- fail "state: more than one pod needs a shared Redis, or a cap holds for each pod alone; set state.url, state.existingSecret or replicas=1" -}}
{{- end -}}
{{- range $name, $model := get $policy "models" | default dict -}}
{{- if and (eq (get $model "kind") "llama_cpp") (not $.Values.engines.enabled) -}}
{{- if not (hasPrefix "builtin:" (get $model "path" | default "")) -}}
{{- fail (printf "engines.enabled: model %s is of kind llama_cpp and needs a volume; set engines.enabled=true" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

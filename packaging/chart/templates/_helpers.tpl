{{- define "etcdsnap.name" -}}
{{- if contains "etcdsnap" .Release.Name }}{{ .Release.Name | trunc 48 | trimSuffix "-" }}{{ else }}{{ printf "%s-etcdsnap" (.Release.Name | trunc 39 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "etcdsnap.selector" -}}
app.kubernetes.io/name: etcdsnap
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "etcdsnap.labels" -}}
{{ include "etcdsnap.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "etcdsnap.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* The pod, for the CronJob and for the service. */ -}}
{{- define "etcdsnap.pod" -}}
{{- $tls := or .Values.hostCertificates .Values.etcd.tls.secretName }}
{{- if and .Values.hostCertificates .Values.etcd.tls.secretName }}
{{- fail "Certificates come from a Secret (etcd.tls.secretName) or from the node (hostCertificates): name one of them." }}
{{- end }}
{{- if and .Values.storage.hostPath (or .Values.storage.existingClaim .Values.storage.claim.enabled) }}
{{- fail "Backups go to a claim or to the node: with storage.hostPath, set storage.claim.enabled to false and name no storage.existingClaim." }}
{{- end }}
{{- if not (or .Values.storage.hostPath .Values.storage.existingClaim .Values.storage.claim.enabled) }}
{{- fail "Backups need a place: set storage.existingClaim, storage.claim.enabled or storage.hostPath." }}
{{- end }}
metadata:
  labels:
    {{- include "etcdsnap.selector" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  restartPolicy: {{ eq .Values.mode "service" | ternary "Always" "Never" }}
  # It asks nothing of Kubernetes' API.
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- if .Values.hostNetwork }}
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  {{- if eq .Values.mode "service" }}
  terminationGracePeriodSeconds: 30
  {{- end }}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: etcdsnap
      image: {{ include "etcdsnap.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        - save
        - /backup
        - {{ printf "--endpoints=%s" (join "," .Values.etcd.endpoints) | quote }}
        {{- if $tls }}
        - {{ printf "--cacert=/pki/%s" .Values.etcd.tls.ca | quote }}
        - {{ printf "--cert=/pki/%s" .Values.etcd.tls.cert | quote }}
        - {{ printf "--key=/pki/%s" .Values.etcd.tls.key | quote }}
        {{- end }}
        {{- if .Values.etcd.auth.secretName }}
        - {{ printf "--user=%s" .Values.etcd.auth.user | quote }}
        - --password-file=/auth/password
        {{- end }}
        {{- if .Values.backup.keep }}
        - {{ printf "--keep=%d" (int .Values.backup.keep) | quote }}
        {{- end }}
        {{- with .Values.backup.keepWithin }}
        - {{ printf "--keep-within=%s" . | quote }}
        {{- end }}
        {{- with .Values.backup.compress }}
        - {{ printf "--compress=%s" . | quote }}
        {{- end }}
        {{- with .Values.backup.commandTimeout }}
        - {{ printf "--command-timeout=%s" . | quote }}
        {{- end }}
        {{- if eq .Values.mode "service" }}
        - {{ printf "--every=%s" .Values.backup.every | quote }}
        - {{ printf "--metrics-listen=%s:%d" (.Values.hostNetwork | ternary "127.0.0.1" "0.0.0.0") (int .Values.metrics.port) | quote }}
        {{- else }}
        - --retries=3
        {{- end }}
        {{- range .Values.backup.extraArgs }}
        - {{ . | quote }}
        {{- end }}
      {{- if eq .Values.mode "service" }}
      ports:
        - name: metrics
          containerPort: {{ int .Values.metrics.port }}
          protocol: TCP
      {{- end }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        - name: backup
          mountPath: /backup
        {{- if $tls }}
        - name: pki
          mountPath: /pki
          readOnly: true
        {{- end }}
        {{- if .Values.etcd.auth.secretName }}
        - name: auth
          mountPath: /auth
          readOnly: true
        {{- end }}
  volumes:
    - name: backup
      {{- if .Values.storage.hostPath }}
      hostPath:
        path: {{ .Values.storage.hostPath | quote }}
        type: DirectoryOrCreate
      {{- else }}
      persistentVolumeClaim:
        claimName: {{ .Values.storage.existingClaim | default (include "etcdsnap.name" .) | quote }}
      {{- end }}
    {{- if .Values.hostCertificates }}
    - name: pki
      hostPath:
        path: {{ .Values.hostCertificates | quote }}
        type: Directory
    {{- else if .Values.etcd.tls.secretName }}
    - name: pki
      secret:
        secretName: {{ .Values.etcd.tls.secretName | quote }}
        defaultMode: 0440
    {{- end }}
    {{- if .Values.etcd.auth.secretName }}
    - name: auth
      secret:
        secretName: {{ .Values.etcd.auth.secretName | quote }}
        defaultMode: 0440
        items:
          - key: {{ .Values.etcd.auth.passwordKey | quote }}
            path: password
    {{- end }}
{{- end }}

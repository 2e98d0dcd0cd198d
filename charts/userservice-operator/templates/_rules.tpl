{{- /* What the operator may do to UserServices and their children: in all namespaces, or in those that it watches. */}}
{{- define "userservice-operator.rules" -}}
# patch: to set and take away the finalizer of resources whose topics go with them. The spec is never written.
- apiGroups: [usersvc.dev]
  resources: [userservices]
  verbs: [get, list, watch, patch]
- apiGroups: [usersvc.dev]
  resources: [userservices/status]
  verbs: [patch]
# blockOwnerDeletion in the children's owner reference asks for it where
# OwnerReferencesPermissionEnforcement is on.
- apiGroups: [usersvc.dev]
  resources: [userservices/finalizers]
  verbs: [update]
# Server-side apply creates and changes with patch; create is asked for on top when the object is new.
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [controllerrevisions, deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
# Of cert-manager. Where its definitions are not there, the right is to nothing.
- apiGroups: [cert-manager.io]
  resources: [certificates]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# To say in a status why pods do not take calls: those of the services, and events about volumes that cannot be mounted.
- apiGroups: [""]
  resources: [pods, events]
  verbs: [list, watch]
# To let a resource that waits for its topics go with its namespace.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
# To tell in an Event what becomes of a UserService.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
# get: those that a UserService names. list and watch: metadata alone is asked for, but the right covers the content
# of every Secret; docs/install.md says what that means.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
{{- end }}

// Package check holds tests about the repository itself: what its layout promises, as rules that fail.
//
//	imports_test.go   who may import whom: layers, tiers of shared, libraries; no clock or randomness in shared
//	ports_test.go     every port of a service has an adapter, and its contract suite is run
//	routes_test.go    routes declared by the services = served by infra/local = described in infra/openapi.yaml
//	functions_test.go folders of functions/ = resources of template.yaml; routes there = routes of the services
//	rights_test.go    fields of a constructor = environment = policy: action, table, leading keys, encryption context
//	template_test.go  what holds for every function, table, key, bucket and statement of the template, in both partitions
//	roles_test.go     roles are known by paths, which nothing cuts
//	references_test.go every !Ref, !GetAtt, !Sub and condition of the template resolves
//	deployment_test.go how queues, streams, buckets and the API behave under failure and misuse
//	transformed.py    what SAM makes of the template: how many resources, whether they hang together (called by template.sh)
//	operations_test.go what can stand still has an alarm, and what is watched is there; the runbook and COMPLIANCE.md
//	table_test.go     functions/README.md, indexes, suppressions; what IAM cannot express
//	artefacts_test.go what sam build made: static, right architecture, as small as recorded (called by template.sh)
//	text_test.go      package comments, links in Markdown, words, gofmt, names
//
// A rule reads a tree and returns what breaks it, one line each, with the file and the rule. Every rule is also run on
// a small tree that breaks it, so that none is a rule that cannot fail.
package check

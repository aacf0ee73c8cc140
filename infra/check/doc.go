// Package check holds tests about the repository itself: what its layout promises, as rules that fail.
//
//	imports_test.go   who may import whom: layers, tiers of shared, libraries; no clock or randomness in shared
//	ports_test.go     every port of a service has an adapter, and its contract suite is run
//	routes_test.go    routes declared by the services = served by infra/local = described in infra/openapi.yaml
//	text_test.go      package comments, links in Markdown, words, gofmt, names
//
// A rule reads a tree and returns what breaks it, one line each, with the file and the rule. Every rule is also run on
// a small tree that breaks it, so that none is a rule that cannot fail.
package check

package iam

import "strings"

// like matches "*" with any text and "?" with one character (IAM User Guide, "IAM JSON policy elements: Condition
// operators", StringLike). Characters are compared as they stand.
func like(pattern, value string) bool {
	return glob([]rune(pattern), []rune(value), func(int) bool { return true })
}

// resourceLike matches a resource with an element of Resource: wildcards stand for characters inside one segment of the
// ARN, and a "*" that ends its segment "can expand to match beyond the colon boundaries" (IAM User Guide, "IAM JSON
// policy elements: Resource"). There is no wildcard in the segment of the service.
func resourceLike(pattern, value string) bool {
	p := []rune(pattern)
	return glob(p, []rune(value), func(i int) bool { return p[i] == '*' && (i+1 == len(p) || p[i+1] == ':') })
}

// glob keeps, character of the pattern by character, which beginnings of the value are matched so far. crosses tells
// whether the wildcard at an index of the pattern may stand for a colon. The steps are len(p) times len(v).
func glob(p, v []rune, crosses func(int) bool) bool {
	reach := make([]bool, len(v)+1)
	reach[0] = true
	for i, c := range p {
		next := make([]bool, len(v)+1)
		for j := range next {
			switch {
			case c == '*':
				next[j] = reach[j] || j > 0 && next[j-1] && (v[j-1] != ':' || crosses(i))
			case j > 0 && c == '?':
				next[j] = reach[j-1] && (v[j-1] != ':' || crosses(i))
			case j > 0:
				next[j] = reach[j-1] && c == v[j-1]
			}
		}
		reach = next
	}
	return reach[len(v)]
}

// arnLike compares each of the six components of an ARN separately, with wildcards inside them (IAM User Guide, "ARN
// condition operators"). The sixth is the rest, colons included.
func arnLike(pattern, value string) bool {
	p, v := strings.SplitN(pattern, ":", 6), strings.SplitN(value, ":", 6)
	if len(p) != 6 || len(v) != 6 {
		return false
	}
	for i := range p {
		if !like(p[i], v[i]) {
			return false
		}
	}
	return true
}

package check

import (
	"fmt"
	"go/ast"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	yaml "github.com/oasdiff/yaml3"
)

func mapsKeys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }

// right is one action on one resource, under one condition: the unit in which policies are compared.
type right struct {
	action   string // "dynamodb:GetItem"
	resource string // "SsoTable", "LogTable/first", "TokenKey", "Artefacts/licences/"
	bound    string // "grant#*", or the encryption context "purpose=token", or "tag purpose=token"
}

func (r right) String() string {
	if r.bound == "" {
		return r.action + " on " + r.resource
	}
	return r.action + " on " + r.resource + " with " + r.bound
}

// grantedBy is what a right is needed for: the names of fields.
type wanted map[right][]string

func (w wanted) add(r right, field string) {
	if !slices.Contains(w[r], field) {
		w[r] = append(w[r], field)
	}
}

// tableRights reads infra/aws/rights.go and otherrights.go: by port, or by accessor as "Env.TokenSigners".
func tableRights(t *testing.T, sources []source) map[string][]right {
	t.Helper()
	found := map[string][]right{}
	for _, s := range sources {
		if s.name != "infra/aws/rights.go" && s.name != "infra/aws/otherrights.go" {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lists, words := lists(f)
			ast.Inspect(f, func(n ast.Node) bool {
				lit, ok := n.(*ast.CompositeLit)
				if !ok {
					return true
				}
				of, ok := lit.Type.(*ast.ArrayType)
				if !ok {
					return true
				}
				kind, _ := of.Elt.(*ast.Ident)
				if kind == nil || kind.Name != "Right" && kind.Name != "OtherRight" {
					return true
				}
				for _, e := range lit.Elts {
					entry := e.(*ast.CompositeLit)
					word := func(i int) string {
						if id, ok := entry.Elts[i].(*ast.Ident); ok {
							return words[id.Name]
						}
						return literal(entry.Elts[i])
					}
					actions := literals(entry.Elts[len(entry.Elts)-1])
					if id, ok := entry.Elts[len(entry.Elts)-1].(*ast.Ident); ok {
						actions = lists[id.Name]
					}
					resource, bound := word(1), word(2) // {Need, Resource, Bound, Actions}
					if kind.Name == "Right" {           // {Port, Table, Index, Prefix, Actions}
						resource, bound = camel(word(1))+"Table", word(3)+"*"
						if word(2) != "" {
							resource += "/" + word(2)
						}
					}
					for _, action := range actions {
						if !strings.Contains(action, ":") {
							action = "dynamodb:" + action
						}
						found[word(0)] = append(found[word(0)], right{action, resource, bound})
					}
				}
				return false
			})
		}
	}
	return found
}

// lists are the variables of a function that are lists of strings, and its string constants.
func lists(f *ast.FuncDecl) (lists map[string][]string, words map[string]string) {
	lists, words = map[string][]string{}, map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if id, ok := left.(*ast.Ident); ok && len(n.Rhs) == len(n.Lhs) {
					lists[id.Name] = literals(n.Rhs[i])
				}
			}
		case *ast.ValueSpec:
			for i, id := range n.Names {
				if i < len(n.Values) {
					words[id.Name] = literal(n.Values[i])
				}
			}
		}
		return true
	})
	return lists, words
}

func literals(e ast.Expr) (list []string) {
	if lit, ok := e.(*ast.CompositeLit); ok {
		for _, e := range lit.Elts {
			list = append(list, literal(e))
		}
	}
	return list
}

// wants are the rights that a function needs by its ports and accessors.
func wants(t *testing.T, s source, sources []source) (w wanted, broken []string) {
	w = wanted{}
	rights := tableRights(t, sources)
	isPort := ports(sources)
	parts := included(sources)
	var of func(name, field string) bool
	of = func(name, field string) bool {
		known := rights[name] != nil
		for _, r := range rights[name] {
			w.add(r, field)
		}
		for _, part := range parts[name] {
			known = of(part, field) || known
		}
		return known
	}
	reads := readings(sources)
	for _, n := range needs(s, sources) {
		byPort, byAccessor := of(n.port, n.field), of("Env."+n.accessor, n.field)
		for _, callee := range reads[n.accessor].callees {
			if !ast.IsExported(callee) { // what the store itself needs
				of("Env."+callee, "Tables")
			}
		}
		if slices.Contains(isPort, n.port) && !byPort && !byAccessor {
			broken = append(broken, fmt.Sprintf("infra/aws/rights.go does not say what %s needs, which %s takes from env.%s",
				n.port, s.folder(), n.accessor))
		}
	}
	return w, broken
}

var atLeast = regexp.MustCompile(`^!GetAtt ([A-Za-z0-9]+)\.Arn$`)
var inSub = regexp.MustCompile(`^!Sub \$\{([A-Za-z0-9]+)\.Arn\}(/index)?(/.*)$`)

// granted reads the policy statements of a function: what they allow, and the fields that the comment before each names.
func granted(r resource) (allowed wanted, broken []string) {
	allowed = wanted{}
	for _, st := range statements(r.prop("Policies")) {
		if text(value(st, "Effect")) != "Allow" {
			continue
		}
		bounds, odd := boundsOf(st)
		if odd != "" {
			broken = append(broken, fmt.Sprintf("template.yaml: %s has a condition that is not understood: %s", r.name, odd))
		}
		for _, res := range texts(value(st, "Resource")) {
			switch {
			case atLeast.MatchString(res):
				res = atLeast.FindStringSubmatch(res)[1]
			case inSub.MatchString(res):
				m := inSub.FindStringSubmatch(res)
				res = m[1] + m[3]
			}
			for _, action := range texts(value(st, "Action")) {
				for _, bound := range bounds {
					allowed[right{action, res, bound}] = fieldsIn(st)
				}
			}
		}
	}
	return allowed, broken
}

// boundsOf are the conditions of a statement, each as one bound.
func boundsOf(st *yaml.Node) (bounds []string, odd string) {
	condition, part := value(st, "Condition"), ""
	for _, operator := range keys(condition) {
		for _, key := range keys(value(condition, operator)) {
			list := texts(at(condition, operator, key))
			prefix := ""
			switch {
			case operator == "ForAllValues:StringLike" && key == "dynamodb:LeadingKeys":
			case operator == "StringLike" && key == "s3:prefix":
				prefix = "prefix "
			case operator == "ForAllValues:StringEquals" && key == "dynamodb:Attributes":
				part, list = " of "+strings.Join(list, " "), nil
			case operator == "StringEqualsIfExists" && key == "dynamodb:Select",
				operator == "StringEquals" && key == "kms:EncryptionContext:purpose" &&
					at(condition, operator, "kms:EncryptionContext:owner") != nil:
				list = nil // narrower than what is compared
			case operator == "StringEquals" && strings.HasPrefix(key, "kms:EncryptionContext:"):
				prefix = strings.TrimPrefix(key, "kms:EncryptionContext:") + "="
			case operator == "StringEquals" && strings.HasPrefix(key, "aws:ResourceTag/yinxin:"):
				prefix = "tag " + strings.TrimPrefix(key, "aws:ResourceTag/yinxin:") + "="
			case operator == "StringEquals" && strings.HasPrefix(key, "aws:RequestTag/yinxin:"):
				prefix = "new " + strings.TrimPrefix(key, "aws:RequestTag/yinxin:") + "="
			default:
				odd = operator + " " + key
			}
			for _, v := range list {
				bounds = append(bounds, prefix+v)
			}
		}
	}
	if len(bounds) == 0 {
		bounds = []string{""}
	}
	for i := range bounds {
		bounds[i] += part
	}
	slices.Sort(bounds)
	return slices.Compact(bounds), odd
}

var word = regexp.MustCompile(`[A-Z][A-Za-z]*`)

// fieldsIn are the capitalised words of the comment before a statement.
func fieldsIn(st *yaml.Node) []string {
	comment := st.HeadComment
	if comment == "" && len(st.Content) > 0 {
		comment = st.Content[0].HeadComment
	}
	return word.FindAllString(comment, -1)
}

// byDelivery are rights that no field asks for: the function's queues and streams, written by the mapping itself.
var byDelivery = []string{"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams",
	"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:SendMessage"}

// policies: the policy of a function is what the fields of its constructor need, no more and no less, and the comment
// before each statement names the fields.
func policies(t *testing.T, tr tree) (broken []string) {
	sources := tr.sources(t)
	functions := readTemplate(t, tr).functions()
	for folder, s := range mains(sources) {
		r, ok := functions[folder]
		if !ok {
			continue // said by folders
		}
		want, more := wants(t, s, sources)
		broken = append(broken, more...)
		got, more := granted(r)
		broken = append(broken, more...)
		wrong := false
		for need, fields := range want {
			said, ok := got[need]
			if !ok {
				wrong = true
				broken = append(broken, fmt.Sprintf("template.yaml: %s lacks %s, for %s", r.name, need, strings.Join(fields, ", ")))
				continue
			}
			for _, f := range fields {
				if !slices.Contains(said, f) {
					broken = append(broken, fmt.Sprintf("template.yaml: %s: the comment on %s does not name the field %s", r.name, need, f))
				}
			}
		}
		for have := range got {
			if _, ok := want[have]; !ok && !slices.Contains(byDelivery, have.action) {
				wrong = true
				broken = append(broken, fmt.Sprintf("template.yaml: %s allows %s, which no field needs", r.name, have))
			}
		}
		if wrong && testing.Verbose() {
			t.Logf("the policy of %s by its fields:\n%s", r.name, written(want))
		}
	}
	return broken
}

// written is a set of rights as policy statements of the template.
func written(w wanted) string {
	type group struct{ actions, resource, kind string }
	bounds, fields := map[group][]string{}, map[group][]string{}
	perBound := map[[2]string][]string{}
	for r := range w {
		k := [2]string{r.resource, r.bound}
		perBound[k] = append(perBound[k], r.action)
	}
	for k, actions := range perBound {
		slices.Sort(actions)
		kind, _, _ := strings.Cut(k[1], "=")
		if leading, part, _ := strings.Cut(k[1], " of "); strings.Contains(leading, "#") {
			kind = "keys" + part
		}
		g := group{strings.Join(actions, ", "), k[0], kind}
		bounds[g] = append(bounds[g], k[1])
		for _, a := range actions {
			for _, f := range w[right{a, k[0], k[1]}] {
				if !slices.Contains(fields[g], f) {
					fields[g] = append(fields[g], f)
				}
			}
		}
	}
	groups := slices.SortedFunc(maps.Keys(bounds), func(a, b group) int {
		return strings.Compare(a.resource+a.kind+a.actions, b.resource+b.kind+b.actions)
	})
	var b strings.Builder
	for _, g := range groups {
		slices.Sort(bounds[g])
		slices.Sort(fields[g])
		fmt.Fprintf(&b, "          # %s\n          - Effect: Allow\n            Action: [%s]\n", strings.Join(fields[g], ", "), g.actions)
		switch name, rest, ok := strings.Cut(g.resource, "/"); {
		case g.resource == "*":
			b.WriteString("            Resource: \"*\"\n")
		case strings.HasPrefix(g.resource, "!"):
			fmt.Fprintf(&b, "            Resource: %s\n", g.resource)
		case ok && strings.HasSuffix(name, "Table"):
			fmt.Fprintf(&b, "            Resource: !Sub ${%s.Arn}/index/%s\n", name, rest)
		case ok:
			fmt.Fprintf(&b, "            Resource: !Sub ${%s.Arn}/%s\n", name, rest)
		default:
			fmt.Fprintf(&b, "            Resource: !GetAtt %s.Arn\n", name)
		}
		quoted := make([]string, len(bounds[g]))
		for i, v := range bounds[g] {
			v, _, _ = strings.Cut(v, " of ")
			if _, after, found := strings.Cut(v, "="); found {
				v = after
			}
			quoted[i] = fmt.Sprintf("%q", strings.TrimPrefix(v, "prefix "))
		}
		values := strings.Join(quoted, ", ")
		switch {
		case g.kind == "":
		case g.kind == "keys":
			fmt.Fprintf(&b, "            Condition: {\"ForAllValues:StringLike\": {\"dynamodb:LeadingKeys\": [%s]}}\n", values)
		case strings.HasPrefix(g.kind, "keys"):
			fmt.Fprintf(&b, "            Condition:\n              \"ForAllValues:StringLike\": {\"dynamodb:LeadingKeys\": [%s]}\n"+
				"              \"ForAllValues:StringEquals\": {\"dynamodb:Attributes\": [%s]}\n"+
				"              StringEqualsIfExists: {\"dynamodb:Select\": SPECIFIC_ATTRIBUTES}\n",
				values, strings.ReplaceAll(g.kind[len("keys"):], " ", ", "))
		case strings.HasPrefix(g.kind, "prefix "):
			fmt.Fprintf(&b, "            Condition: {StringLike: {\"s3:prefix\": [%s]}}\n", values)
		case g.kind == "owner":
			fmt.Fprintf(&b, "            Condition: {StringEquals: {\"kms:EncryptionContext:purpose\": secret, \"kms:EncryptionContext:owner\": [%s]}}\n", values)
		case strings.HasPrefix(g.kind, "new "):
			fmt.Fprintf(&b, "            Condition: {StringEquals: {\"aws:RequestTag/yinxin:%s\": [%s]}}\n", g.kind[4:], values)
		case strings.HasPrefix(g.kind, "tag "):
			fmt.Fprintf(&b, "            Condition: {StringEquals: {\"aws:ResourceTag/yinxin:%s\": [%s]}}\n", g.kind[4:], values)
		default:
			fmt.Fprintf(&b, "            Condition: {StringEquals: {\"kms:EncryptionContext:%s\": [%s]}}\n", g.kind, values)
		}
	}
	return b.String()
}

func TestPoliciesAreWhatTheFieldsNeed(t *testing.T) { holds(t, policies) }

// reading is what an accessor of aws.Env reads, also through the accessors that it calls.
type reading struct{ variables, callees []string }

func readings(sources []source) map[string]reading {
	bodies := map[string]*ast.FuncDecl{}
	for _, s := range sources {
		if s.folder() != "infra/aws" || s.test {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Body == nil {
				continue
			}
			if star, ok := f.Recv.List[0].Type.(*ast.StarExpr); ok {
				if id, ok := star.X.(*ast.Ident); ok && id.Name == "Env" {
					bodies[f.Name.Name] = f
				}
			}
		}
	}
	var read func(name string, into *reading)
	read = func(name string, into *reading) {
		f := bodies[name]
		if f == nil || slices.Contains(into.callees, name) {
			return
		}
		into.callees = append(into.callees, name)
		ast.Inspect(f.Body, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			callee, ok := strings.CutPrefix(selector(call.Fun), "e.")
			if !ok {
				return true
			}
			for _, a := range call.Args { // e.variable("SSO_TABLE"), e.custody(key.Token, "TOKEN_KEYS")
				v := literal(a)
				if (callee == "variable" || callee == "custody") && v != "" && !strings.HasPrefix(v, "AWS_") {
					into.variables = append(into.variables, v)
				}
			}
			read(callee, into)
			return true
		})
	}
	found := map[string]reading{}
	for name := range bodies {
		var r reading
		read(name, &r)
		slices.Sort(r.variables)
		r.variables = slices.Compact(r.variables)
		found[name] = r
	}
	return found
}

// environment: a function has exactly the variables that its accessors read.
func environment(t *testing.T, tr tree) (broken []string) {
	sources := tr.sources(t)
	tm := readTemplate(t, tr)
	reads := readings(sources)
	global := keys(at(tm.Node, "Globals", "Function", "Environment", "Variables"))
	functions := tm.functions()
	for folder, s := range mains(sources) {
		r, ok := functions[folder]
		if !ok {
			continue // said by folders
		}
		var want []string
		for _, a := range accessors(s) {
			if _, ok := reads[a]; !ok {
				broken = append(broken, fmt.Sprintf("%s calls env.%s, which infra/aws does not have", s.name, a))
			}
			want = append(want, reads[a].variables...)
		}
		slices.Sort(want)
		want = slices.Compact(want)
		got := keys(r.prop("Environment", "Variables"))
		for _, v := range want {
			if !slices.Contains(got, v) && !slices.Contains(global, v) {
				broken = append(broken, fmt.Sprintf("template.yaml: %s lacks the variable %s", r.name, v))
			}
		}
		for _, v := range got {
			if !slices.Contains(want, v) && v != "GOMEMLIMIT" {
				broken = append(broken, fmt.Sprintf("template.yaml: %s has the variable %s, which no accessor reads", r.name, v))
			}
		}
	}
	return broken
}

func TestTheEnvironmentIsWhatTheAccessorsRead(t *testing.T) { holds(t, environment) }

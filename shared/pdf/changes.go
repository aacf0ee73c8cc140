package pdf

import (
	"fmt"
	"maps"
	"slices"
)

// Change is something that a later revision did to a signed one.
type Change struct {
	Kind   ChangeKind
	Object int // number of the object that changed or came, 0 for the file
	Detail string
}

// ChangeKind classifies a change as ISO 32000-1, section 12.8.2.2 does for DocMDP.
type ChangeKind string

// The kinds of change. Whatever is none of the others is Undefined.
const (
	ValidationData ChangeKind = "validation-data" // the security store DSS (ISO 32000-2, section 12.8.4.3)
	DocTimestamp   ChangeKind = "document-timestamp"
	NewSignature   ChangeKind = "signature"
	FormFill       ChangeKind = "form-fill"
	Annotation     ChangeKind = "annotation"
	Metadata       ChangeKind = "metadata"
	Undefined      ChangeKind = "undefined"
)

// permits tells whether the permission p of DocMDP lets a change of this kind pass. A file that is not certified is
// treated as one with P=2. Validation data and document time-stamps pass always (EN 319 142-1, section 5.4).
func permits(p int, kind ChangeKind) bool {
	switch kind {
	case ValidationData, DocTimestamp, Metadata:
		return true
	case NewSignature, FormFill:
		return p != 1
	case Annotation:
		return p == 3
	default:
		return false
	}
}

// examineChanges compares the revision of each signature with the file.
func (f *File) examineChanges(report *Report) error {
	f.visited = 0
	for i := range report.Signatures {
		s := &report.Signatures[i]
		if s.RevisionEnd == 0 || s.RevisionEnd == f.limit {
			continue
		}
		revision, err := f.at(s.RevisionEnd)
		if err != nil {
			return err
		}
		c := newComparison(revision, f)
		if err := c.run(); err != nil {
			return err
		}
		s.Changes = c.changes
		s.Findings = append(s.Findings, c.findings(report.Certification, s.Field)...)
		for _, later := range report.Signatures[i+1:] {
			if later.Page == s.Page && overlap(s.Rect, later.Rect) {
				s.Findings = append(s.Findings, Finding{
					Code: SealCovered, Warning: true, Field: s.Field, Object: later.Object,
					Detail: "the field " + later.Field + " was put over it",
				})
			}
		}
	}
	return nil
}

func overlap(a, b Rect) bool {
	const touch = 0.1 // millimetres
	return min(a.X+a.W, b.X+b.W)-max(a.X, b.X) > touch && min(a.Y+a.H, b.Y+b.H)-max(a.Y, b.Y) > touch
}

// comparison explains, for an old and a new revision of one file, every object that differs. It compares the parts
// that may change key by key (catalog, form, fields, pages, annotations), lets certain keys lead to new objects, and
// protects everything else: whatever can be reached in another way must be as it was. An object that differs and was
// not explained is an undefined change.
//
// It looks at each object once, so its time is linear in the size of the file.
type comparison struct {
	old, new *File
	changes  []Change
	shadows  []Finding

	differs   map[int]bool // answers of changed
	compared  map[int]bool // objects that are compared key by key, wherever they are met
	explained map[int]bool
	protected map[int]bool // reached by protect
	work      []object     // to be protected
	newFields map[ref]bool
	locks     []lock
}

// lock is a FieldMDP transform (ISO 32000-1, section 12.8.2.4): fields that must not be filled any more.
type lock struct {
	action name
	fields map[string]bool
}

func newComparison(old, new *File) *comparison {
	return &comparison{
		old: old, new: new, differs: map[int]bool{}, compared: map[int]bool{}, explained: map[int]bool{},
		protected: map[int]bool{}, newFields: map[ref]bool{},
	}
}

func (c *comparison) note(kind ChangeKind, num int, format string, args ...any) {
	c.changes = append(c.changes, Change{kind, num, fmt.Sprintf(format, args...)})
	if num != 0 {
		c.explained[num] = true
	}
}

func (c *comparison) undefined(num int, format string, args ...any) {
	c.note(Undefined, num, format, args...)
}

// findings judges the changes under a permission.
func (c *comparison) findings(p int, field string) []Finding {
	var all []Finding
	for _, change := range c.changes {
		f := Finding{Field: field, Object: change.Object, Detail: string(change.Kind) + ": " + change.Detail}
		switch {
		case change.Kind == Undefined:
			f.Code, f.Attack = ChangeUndefined, ISA
		case !permits(p, change.Kind):
			f.Code = ChangeNotAllowed
			switch change.Kind {
			case Annotation:
				f.Attack = EvilAnnotation
			case NewSignature:
				f.Attack = SneakySignature
			}
		case change.Kind == FormFill:
			f.Code, f.Warning = FormFilled, true
		case change.Kind == Metadata:
			f.Code, f.Warning = MetadataChanged, true
		default:
			continue
		}
		all = append(all, f)
	}
	for _, f := range c.shadows {
		f.Field = field
		all = append(all, f)
	}
	return all
}

// changed tells whether the two revisions have different values under an object number.
func (c *comparison) changed(num int) (bool, error) {
	if differs, ok := c.differs[num]; ok {
		return differs, nil
	}
	differs := false
	if before, after := c.old.place(num), c.new.place(num); before != after {
		a, err := c.value(c.old, num)
		if err != nil {
			return false, err
		}
		b, err := c.value(c.new, num)
		if err != nil {
			return false, err
		}
		differs = !equal(a, b) || generation(before) != generation(after)
	}
	c.differs[num] = differs
	return differs, nil
}

// generation is that of an object at a place; references of another generation lead to nothing.
func generation(e entry) int {
	if e.kind == 1 {
		return e.gen
	}
	return 0
}

// value returns the object under a number, whatever its generation.
func (c *comparison) value(f *File, num int) (object, error) {
	e := f.place(num)
	if e.kind == 0 {
		return nil, nil
	}
	loaded, err := f.load(ref{num, generation(e)})
	if err != nil || loaded == nil {
		return nil, err
	}
	return loaded.value, nil
}

func (c *comparison) run() error {
	if err := c.sections(); err != nil {
		return err
	}
	before, err := c.old.rootRef()
	if err != nil {
		return err
	}
	after, err := c.new.rootRef()
	if err != nil {
		return err
	}
	if before != after {
		c.undefined(after.num, "another catalog")
		return nil
	}
	pages, err := c.pages()
	if err != nil || pages == nil {
		return err
	}
	if err := c.catalog(after); err != nil {
		return err
	}
	for _, p := range pages {
		if err := c.page(p[0], p[1]); err != nil {
			return err
		}
	}
	if err := c.drain(); err != nil {
		return err
	}
	return c.remainder()
}

// sections looks for later cross-reference sections, and objects of theirs, that lay in the signed bytes already.
func (c *comparison) sections() error {
	for _, s := range c.later() {
		if s.offset < c.old.limit {
			c.shadows = append(c.shadows, Finding{
				Code: ShadowContent, Attack: Shadow,
				Detail: fmt.Sprintf("a later revision has its cross-reference section at byte %d", s.offset),
			})
		}
		for _, num := range slices.Sorted(maps.Keys(s.entries)) {
			if e := s.entries[num]; e.kind != 1 || e.where >= c.old.limit || c.old.place(num) == e {
				continue
			}
			differs, err := c.changed(num)
			if err != nil {
				return err
			}
			if differs {
				c.shadows = append(c.shadows, Finding{
					Code: ShadowContent, Attack: Shadow, Object: num,
					Detail: "an object that lay unused in the signed revision was brought to light",
				})
			}
		}
	}
	return nil
}

// later returns the sections that the signed revision does not have.
func (c *comparison) later() []*section {
	return c.new.sections[:len(c.new.sections)-len(c.old.sections)]
}

// pages pairs the pages of both revisions, or notes that they are not the same.
func (c *comparison) pages() ([][2]page, error) {
	before, err := c.old.pages()
	if err != nil {
		return nil, err
	}
	after, err := c.new.pages()
	if err != nil {
		return nil, err
	}
	if len(before) != len(after) {
		c.shadows = append(c.shadows, Finding{
			Code: PagesChanged, Attack: ISA, Detail: fmt.Sprintf("%d pages became %d", len(before), len(after)),
		})
		return nil, nil
	}
	pairs := make([][2]page, len(before))
	for i := range before {
		if before[i].ref != after[i].ref {
			c.shadows = append(c.shadows, Finding{
				Code: PagesChanged, Attack: ISA, Object: after[i].ref.num, Detail: fmt.Sprintf("page %d is another", i+1),
			})
			return nil, nil
		}
		c.compared[before[i].ref.num] = true
		pairs[i] = [2]page{before[i], after[i]}
	}
	return pairs, nil
}

// keys yields the keys of both dictionaries in order.
func keys(a, b dict) []name {
	all := maps.Clone(a)
	if all == nil {
		all = dict{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// same requires a value to be as it was and protects what it leads to.
func (c *comparison) same(num int, key name, before, after object) {
	if !equal(before, after) {
		c.undefined(num, "/%s", key)
		return
	}
	c.work = append(c.work, after)
}

func (c *comparison) catalog(root ref) error {
	c.compared[root.num] = true
	c.explained[root.num] = true
	before, err := c.old.catalog()
	if err != nil {
		return err
	}
	after, err := c.new.catalog()
	if err != nil {
		return err
	}
	for _, key := range keys(before, after) {
		switch key {
		case "AcroForm":
			err = c.form(before[key], after[key])
		case "DSS", "Extensions":
			err = c.open(ValidationData, "/"+string(key), before[key], after[key])
		case "Metadata":
			err = c.open(Metadata, "/Metadata", before[key], after[key])
		case "Version":
			if !equal(before[key], after[key]) {
				c.note(Metadata, 0, "/Version")
			}
		default:
			c.same(root.num, key, before[key], after[key])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// open lets a value change together with all that it leads to, and notes it once if anything did.
func (c *comparison) open(kind ChangeKind, what string, before, after object) error {
	found, err := c.explain(after)
	if err != nil {
		return err
	}
	if found || !equal(before, after) {
		c.note(kind, 0, "%s", what)
	}
	return nil
}

// explain marks what changed below a value. It goes no further than objects that did not change and those that are
// compared on their own.
func (c *comparison) explain(o object) (found bool, err error) {
	work := []object{o}
	seen := map[int]bool{}
	for len(work) > 0 {
		o := work[len(work)-1]
		work = work[:len(work)-1]
		if err := c.count(); err != nil {
			return false, err
		}
		if r, ok := o.(ref); ok {
			if seen[r.num] || c.compared[r.num] {
				continue
			}
			seen[r.num] = true
			differs, err := c.changed(r.num)
			if err != nil {
				return false, err
			}
			if !differs {
				continue
			}
			found = true
			c.explained[r.num] = true
			if o, err = c.new.resolve(r); err != nil {
				return false, err
			}
		}
		work = appendChildren(work, o)
	}
	return found, nil
}

func appendChildren(work []object, o object) []object {
	switch o := o.(type) {
	case array:
		return append(work, o...)
	case dict:
		for _, key := range slices.Sorted(maps.Keys(o)) {
			work = append(work, o[key])
		}
	case *stream:
		return appendChildren(work, o.dict)
	case ref:
		return append(work, o)
	}
	return work
}

func (c *comparison) count() error {
	if c.new.visited++; c.new.visited > maxVisited {
		return refuse(TooLarge, "more than %d values between revisions", maxVisited)
	}
	return nil
}

// drain protects all that the work list leads to.
func (c *comparison) drain() error {
	for len(c.work) > 0 {
		o := c.work[len(c.work)-1]
		c.work = c.work[:len(c.work)-1]
		if err := c.count(); err != nil {
			return err
		}
		if r, ok := o.(ref); ok {
			if c.protected[r.num] || c.compared[r.num] {
				continue
			}
			c.protected[r.num] = true
			differs, err := c.changed(r.num)
			if err != nil {
				return err
			}
			if differs {
				c.protectedChange(r.num)
				continue
			}
			if o, err = c.new.resolve(r); err != nil {
				return err
			}
		}
		c.work = appendChildren(c.work, o)
	}
	return nil
}

func (c *comparison) protectedChange(num int) {
	if c.old.place(num).kind == 0 {
		c.shadows = append(c.shadows, Finding{
			Code: ShadowContent, Attack: Shadow, Object: num,
			Detail: "the signed revision points to an object that only a later one has",
		})
		c.explained[num] = true
		return
	}
	c.undefined(num, "the object was replaced")
}

// remainder notes what no rule has explained.
func (c *comparison) remainder() error {
	var nums []int
	for _, s := range c.later() {
		nums = slices.AppendSeq(nums, maps.Keys(s.entries))
		c.explained[s.id] = c.explained[s.id] || s.id != 0 && c.old.place(s.id).kind == 0
	}
	slices.Sort(nums)
	info, _ := c.new.trailer()["Info"].(ref)
	for _, num := range slices.Compact(nums) {
		differs, err := c.changed(num)
		if err != nil {
			return err
		}
		if !differs || c.explained[num] {
			continue
		}
		v, err := c.value(c.new, num)
		if err != nil {
			return err
		}
		s, isStream := v.(*stream)
		_, isDict := v.(dict)
		switch {
		case v == nil: // freed, and nothing that is protected leads to it
		case isStream && c.old.place(num).kind == 0 &&
			(s.dict["Type"] == object(name("ObjStm")) || s.dict["Type"] == object(name("XRef"))):
		case isDict && num == info.num && !c.protected[num]:
			c.note(Metadata, num, "the information dictionary")
		default:
			c.undefined(num, "an object that no permitted change leads to")
		}
	}
	return nil
}

// page compares a page: everything but its annotations must be as it was.
func (c *comparison) page(before, after page) error {
	c.explained[before.ref.num] = true
	for _, key := range keys(before.dict, after.dict) {
		if key == "Annots" {
			continue
		}
		c.same(before.ref.num, key, before.dict[key], after.dict[key])
	}
	return c.annotations(before, after)
}

func (c *comparison) container(o object) {
	if r, ok := o.(ref); ok {
		c.explained[r.num] = true
	}
}

// annotations requires the annotations of before to come first, in their order, and looks at the new ones.
func (c *comparison) annotations(before, after page) error {
	old, err := c.old.arrayOf(before.dict["Annots"])
	if err != nil {
		return err
	}
	all, err := c.new.arrayOf(after.dict["Annots"])
	if err != nil {
		return err
	}
	c.container(after.dict["Annots"])
	if len(all) < len(old) || !slices.EqualFunc(old, all[:len(old)], equal) {
		c.undefined(before.ref.num, "annotations were removed or moved")
		return nil
	}
	for _, o := range old {
		if err := c.annotation(o); err != nil {
			return err
		}
	}
	for _, o := range all[len(old):] {
		if err := c.newAnnotation(o, after); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) annotation(o object) error {
	r, ok := o.(ref)
	if !ok || c.compared[r.num] { // a direct dictionary, equal already, or a field, compared as such
		if !ok {
			c.work = append(c.work, o)
		}
		return nil
	}
	differs, err := c.changed(r.num)
	if err != nil {
		return err
	}
	if !differs {
		c.work = append(c.work, o)
		return nil
	}
	if _, err := c.explain(o); err != nil {
		return err
	}
	c.note(Annotation, r.num, "an annotation was changed")
	return nil
}

func (c *comparison) newAnnotation(o object, on page) error {
	r, ok := o.(ref)
	if !ok {
		c.note(Annotation, on.ref.num, "a new annotation")
		_, err := c.explain(o)
		return err
	}
	if c.newFields[r] {
		return nil
	}
	if _, err := c.explain(o); err != nil {
		return err
	}
	c.note(Annotation, r.num, "a new annotation")
	return nil
}

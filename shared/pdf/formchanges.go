package pdf

import "slices"

// form compares the interactive form. Fields may be added at the end; signatures may be set.
func (c *comparison) form(before, after object) error {
	old, err := c.old.dictOf(before)
	if err != nil {
		return err
	}
	now, err := c.new.dictOf(after)
	if err != nil {
		return err
	}
	num := 0
	if r, ok := after.(ref); ok {
		num = r.num
		c.explained[num] = true
		c.compared[num] = true
	}
	if r, ok := before.(ref); ok && before != after {
		c.undefined(r.num, "another form")
		return nil
	}
	if old != nil && now == nil {
		c.undefined(num, "the form was removed")
		return nil
	}
	for _, key := range keys(old, now) {
		switch key {
		case "Fields":
			err = c.fields(old[key], now[key])
		case "SigFlags":
			if v, ok := now[key].(integer); !ok || v < 0 || v > 3 {
				c.undefined(num, "/SigFlags")
			}
		case "DA":
			if old[key] != nil {
				c.same(num, key, old[key], now[key])
			}
		case "DR":
			err = c.resources(num, old[key], now[key])
		default:
			c.same(num, key, old[key], now[key])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// resources compares the default resources of the form. Signing software adds fonts to them; those that were there
// must stay.
func (c *comparison) resources(num int, before, after object) error {
	old, err := c.old.dictOf(before)
	if err != nil {
		return err
	}
	now, err := c.new.dictOf(after)
	if err != nil {
		return err
	}
	c.container(after)
	for _, kind := range keys(old, now) {
		was, err := c.old.resolve(old[kind])
		if err != nil {
			return err
		}
		is, err := c.new.resolve(now[kind])
		if err != nil {
			return err
		}
		a, isDict := was.(dict)
		b, areDicts := is.(dict)
		if was != nil && !(isDict && areDicts) {
			c.same(num, "DR", old[kind], now[kind])
			continue
		}
		c.container(now[kind])
		for _, key := range keys(a, b) {
			if a[key] != nil {
				c.same(num, "DR", a[key], b[key])
			} else if _, err := c.explain(b[key]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *comparison) fields(before, after object) error {
	old, err := c.old.arrayOf(before)
	if err != nil {
		return err
	}
	all, err := c.new.arrayOf(after)
	if err != nil {
		return err
	}
	c.container(after)
	if len(all) < len(old) || !slices.EqualFunc(old, all[:len(old)], equal) {
		c.undefined(0, "form fields were removed or moved")
		return nil
	}
	if err := c.readLocks(); err != nil {
		return err
	}
	for _, o := range old {
		if err := c.field(o, fieldState{}, 0); err != nil {
			return err
		}
	}
	for _, o := range all[len(old):] {
		if err := c.newField(o); err != nil {
			return err
		}
	}
	return nil
}

// fieldState is what a field hands down to its kids.
type fieldState struct {
	name   string
	kind   name
	signed bool // had a value, as a signature field
	filled bool // was filled in the new revision
}

// fillKeys are the keys that filling a field touches.
var fillKeys = [...]name{"V", "AS", "AP", "M", "I", "TI", "RV"}

// field compares a field that the old revision has.
func (c *comparison) field(o object, state fieldState, depth int) error {
	if depth > maxTree {
		return refuse(TooLarge, "form fields")
	}
	r, ok := o.(ref)
	if !ok { // direct, and equal already
		c.work = append(c.work, o)
		return nil
	}
	old, err := c.old.dictOf(r)
	if err != nil {
		return err
	}
	now, err := c.new.dictOf(r)
	if err != nil {
		return err
	}
	if c.compared[r.num] {
		return nil
	}
	c.compared[r.num] = true
	if old == nil || now == nil {
		if old != nil || now != nil {
			c.undefined(r.num, "a field was removed or revealed")
		}
		return nil
	}
	title, err := c.old.resolve(old["T"])
	if err != nil {
		return err
	}
	if title != nil {
		if state.name != "" {
			state.name += "."
		}
		state.name += decodeText(title)
	}
	if kind, ok := old["FT"].(name); ok {
		state.kind = kind
	}
	state.signed = state.signed || state.kind == "Sig" && old["V"] != nil
	if err := c.fieldKeys(r, old, now, &state); err != nil {
		return err
	}
	kids, err := c.old.arrayOf(old["Kids"])
	if err != nil {
		return err
	}
	for _, kid := range kids {
		if err := c.field(kid, state, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) fieldKeys(r ref, old, now dict, state *fieldState) error {
	differs, err := c.changed(r.num)
	if err != nil {
		return err
	}
	c.explained[r.num] = c.explained[r.num] || differs
	touched := false
	for _, key := range keys(old, now) {
		switch {
		case key == "Parent" || key == "P":
			if !equal(old[key], now[key]) {
				c.undefined(r.num, "/%s of a field", key)
			}
		case key == "Kids":
			c.same(r.num, key, old[key], now[key])
		case state.signed || !slices.Contains(fillKeys[:], key):
			c.same(r.num, key, old[key], now[key])
		case equal(old[key], now[key]) && !(state.filled || differs):
			c.work = append(c.work, now[key])
		default:
			found, err := c.explain(now[key])
			if err != nil {
				return err
			}
			touched = touched || found || !equal(old[key], now[key])
		}
	}
	if !touched {
		return nil
	}
	if state.kind == "Sig" {
		return c.signed(r, now["V"])
	}
	state.filled = true
	if c.locked(state.name) {
		c.undefined(r.num, "the field %s was locked by a signature", state.name)
		return nil
	}
	c.note(FormFill, r.num, "the field %s was filled", state.name)
	return nil
}

// signed notes the signature that was put into a field.
func (c *comparison) signed(field ref, value object) error {
	v, ok := value.(ref)
	if !ok {
		c.undefined(field.num, "a signature field was changed without being signed")
		return nil
	}
	d, err := c.new.dictOf(v)
	if err != nil {
		return err
	}
	was, err := c.value(c.old, v.num)
	if err != nil {
		return err
	}
	switch {
	case d == nil || was != nil:
		c.undefined(field.num, "a signature field with a value that is not new")
	case d["Type"] == object(name("DocTimeStamp")):
		c.note(DocTimestamp, field.num, "a document time-stamp")
	default:
		c.note(NewSignature, field.num, "a signature")
	}
	return nil
}

// widgetKeys are what a new signature field may have: nothing that acts.
var widgetKeys = [...]name{
	"Type", "Subtype", "FT", "T", "TU", "TM", "Ff", "F", "P", "V", "Rect", "AP", "MK", "BS", "Border", "DA", "DR", "Q",
	"H", "Lock", "SV", "M", "NM", "AS", "StructParent", "Kids",
}

// newField looks at a field that only the new revision has. It may be a signature field and nothing else.
func (c *comparison) newField(o object) error {
	r, ok := o.(ref)
	if !ok {
		c.undefined(0, "a new field that is no object of its own")
		return nil
	}
	d, err := c.new.dictOf(r)
	if err != nil {
		return err
	}
	was, err := c.value(c.old, r.num)
	if err != nil {
		return err
	}
	if was != nil || d["FT"] != object(name("Sig")) {
		c.undefined(r.num, "a new field that is no new signature field")
		return nil
	}
	for key := range d {
		if !slices.Contains(widgetKeys[:], key) {
			c.undefined(r.num, "/%s in a new signature field", key)
			return nil
		}
	}
	c.newFields[r] = true
	kids, err := c.new.arrayOf(d["Kids"])
	if err != nil {
		return err
	}
	for _, kid := range kids {
		if k, ok := kid.(ref); ok {
			c.newFields[k] = true
		}
	}
	if _, err := c.explain(r); err != nil {
		return err
	}
	if d["V"] != nil {
		return c.signed(r, d["V"])
	}
	b, ok, err := c.new.boxOf(d["Rect"])
	if err != nil {
		return err
	}
	// A rectangle that we cannot read is no rectangle that nobody draws.
	if len(kids) > 0 || d["Rect"] != nil && !ok || ok && b.x1 > b.x0 && b.y1 > b.y0 {
		c.note(Annotation, r.num, "a visible signature field without a signature")
		return nil
	}
	c.note(NewSignature, r.num, "an empty signature field")
	return nil
}

// readLocks reads the FieldMDP transforms of the signatures that the old revision has.
func (c *comparison) readLocks() error {
	fields, err := c.old.fields()
	if err != nil {
		return err
	}
	for _, field := range fields {
		if field.kind != "Sig" || field.value == nil {
			continue
		}
		v, err := c.old.resolve(field.value)
		if err != nil {
			return err
		}
		d, _ := v.(dict)
		references, _ := d["Reference"].(array)
		for _, o := range references {
			reference, _ := o.(dict)
			params, _ := reference["TransformParams"].(dict)
			if reference["TransformMethod"] != object(name("FieldMDP")) {
				continue
			}
			l := lock{fields: map[string]bool{}}
			l.action, _ = params["Action"].(name)
			names, _ := params["Fields"].(array)
			for _, n := range names {
				l.fields[decodeText(n)] = true
			}
			c.locks = append(c.locks, l)
		}
	}
	return nil
}

func (c *comparison) locked(field string) bool {
	return slices.ContainsFunc(c.locks, func(l lock) bool {
		switch l.action {
		case "Include":
			return l.fields[field]
		case "Exclude":
			return !l.fields[field]
		default: // All, or a word we do not know
			return true
		}
	})
}

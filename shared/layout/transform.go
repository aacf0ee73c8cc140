package layout

// Transform is the affine map x' = A·x + C·y + E, y' = B·x + D·y + F, in the order of the operands of SVG's matrix().
type Transform struct{ A, B, C, D, E, F float64 }

// Apply returns the operations moved by the map; ops stays as it is.
func (t Transform) Apply(ops []Op) []Op {
	out := make([]Op, len(ops))
	for i, op := range ops {
		o := Op{Kind: op.Kind}
		switch op.Kind {
		case 'C':
			o.X2, o.Y2 = t.point(op.X2, op.Y2)
			fallthrough
		case 'Q':
			o.X1, o.Y1 = t.point(op.X1, op.Y1)
			fallthrough
		case 'M', 'L':
			o.X, o.Y = t.point(op.X, op.Y)
		}
		out[i] = o
	}
	return out
}

func (t Transform) point(x, y float64) (float64, float64) {
	return t.A*x + t.C*y + t.E, t.B*x + t.D*y + t.F
}

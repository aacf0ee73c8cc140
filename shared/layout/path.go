package layout

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// parsePath reads a path as templates write it: the absolute commands M, L, Q, C and Z of SVG path data, each with its
// letter, numbers separated by spaces or commas.
func parsePath(d string, limit int) ([]Op, error) {
	words := strings.FieldsFunc(d, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\t' })
	var ops []Op
	for len(words) > 0 {
		if len(ops) >= limit {
			return nil, fmt.Errorf("more operations than %d", maxTemplateOps)
		}
		kind := words[0]
		words = words[1:]
		count, ok := map[string]int{"M": 2, "L": 2, "Q": 4, "C": 6, "Z": 0}[kind]
		if !ok {
			return nil, fmt.Errorf("%.20q is not M, L, Q, C or Z", kind)
		}
		if len(ops) == 0 && kind != "M" {
			return nil, errors.New("a path begins with M")
		}
		if len(words) < count {
			return nil, fmt.Errorf("%s lacks numbers", kind)
		}
		var v [6]float64
		for i := range count {
			number, err := strconv.ParseFloat(words[i], 64)
			if err != nil || math.IsNaN(number) || math.IsInf(number, 0) {
				return nil, fmt.Errorf("%.20q is not a number", words[i])
			}
			v[i] = number
		}
		words = words[count:]
		op := Op{Kind: OpKind(kind[0])}
		switch kind {
		case "M", "L":
			op.X, op.Y = v[0], v[1]
		case "Q":
			op.X1, op.Y1, op.X, op.Y = v[0], v[1], v[2], v[3]
		case "C":
			op.X1, op.Y1, op.X2, op.Y2, op.X, op.Y = v[0], v[1], v[2], v[3], v[4], v[5]
		}
		ops = append(ops, op)
	}
	if len(ops) == 0 {
		return nil, errors.New("a path without operations")
	}
	return ops, nil
}

package redact

import (
	"encoding/json"
	"errors"
	"fmt"
)

// JSON says what an error of encoding/json says, without the names and values of the text that was read, which may be
// anything: what was expected in which field of ours, and how far the text was read.
func JSON(err error, offset int64) error {
	var wrongType *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		return fmt.Errorf("no JSON from byte %d on", syntax.Offset)
	case errors.As(err, &wrongType):
		return fmt.Errorf("%q is not in its form, before byte %d", wrongType.Field, wrongType.Offset)
	default:
		return fmt.Errorf("a member is unknown, or a value is not in its form, before byte %d", offset)
	}
}

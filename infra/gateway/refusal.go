package gateway

import (
	"encoding/json"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// maxCode is how long the code of a refusal is at most.
const maxCode = 64

// refusalCode is the stable code of an answer that refuses, for the log and the metrics: of a problem (RFC 9457) or of
// an error of OAuth (RFC 6749, section 5.2); "" where the answer has none, as pages have. Codes are words of ours: what
// is no such word is not told.
func refusalCode(answer events.APIGatewayV2HTTPResponse) string {
	if answer.StatusCode < 400 || answer.IsBase64Encoded || !strings.Contains(answer.Headers["Content-Type"], "json") {
		return ""
	}
	var said struct {
		Code  string `json:"code"`
		Error string `json:"error"`
	}
	if json.Unmarshal([]byte(answer.Body), &said) != nil {
		return ""
	}
	code := said.Code
	if code == "" {
		code = said.Error
	}
	if len(code) > maxCode || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz_-.") != "" {
		return ""
	}
	return code
}

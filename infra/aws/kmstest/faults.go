package kmstest

import (
	"encoding/json"
	"net/http"
)

// Fault is what goes wrong with coming calls of one operation.
type Fault struct {
	Operation string // "Sign"; "" for any
	Times     int    // how many calls it meets; 1 where 0
	Refusal   *Refusal
	Hang      bool // nothing is done and nothing answered until the client goes away
	Lost      bool // the call is carried out, but its connection breaks before the answer
	Spoil     bool // the call is carried out, but one bit of the signature, public key or plaintext in its answer is another
}

// Throttling is the refusal of a service that is asked too often.
func Throttling() *Refusal {
	return &Refusal{Code: "ThrottlingException", Message: "Rate exceeded"}
}

// Internal is the refusal of a service that has a fault itself.
func Internal() *Refusal {
	return &Refusal{Code: "KMSInternalException", Message: "the request may be tried again", Status: http.StatusInternalServerError}
}

// Inject makes f happen to the next calls of its operation. Faults wait in the order in which they were injected.
func (s *Server) Inject(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
}

// fault takes the fault of a call, the zero Fault where nothing goes wrong.
func (s *Server) fault(operation string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.Times > 0 && (f.Operation == "" || f.Operation == operation) {
			s.faults[i].Times--
			return f
		}
	}
	return Fault{}
}

// spoil flips one bit in what the answer is about.
func spoil(out json.RawMessage) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(out, &fields); err != nil {
		return nil, err
	}
	for _, name := range []string{"Signature", "PublicKey", "Plaintext"} {
		raw, ok := fields[name]
		if !ok {
			continue
		}
		var value []byte
		if err := json.Unmarshal(raw, &value); err != nil {
			return nil, err
		}
		if len(value) == 0 {
			continue
		}
		value[len(value)/3] ^= 1 // inside the secret number of a private key, and inside r of a signature
		changed, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		fields[name] = changed
	}
	return json.Marshal(fields)
}

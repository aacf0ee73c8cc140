package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Session is a browser in which a person is signed on.
type Session struct {
	Person   string
	AuthTime time.Time
	ACR      string
	Previous string // the session of the same person that a new log-in in this browser took over from; may be empty
}

// ErrSessionGone reports a session that has ended, has expired or never was.
var ErrSessionGone = errors.New("access: no such live session")

// Sessions finds live sessions.
type Sessions interface {
	// LiveSession returns the session, read consistently: a log-out that returned before this call is seen.
	// It returns [ErrSessionGone] for one that has ended, has expired or was never made.
	LiveSession(ctx context.Context, id string) (Session, error)
}

// Cookies are the cookies of the issuer's origin. Under https their names begin with "__Host-", so that no other host
// of the domain can set them (RFC 6265bis, section 4.1.3.2); browsers refuse that prefix over http.
type Cookies struct {
	Issuer string
}

// The cookies.
const (
	sessionCookie = "yinxin"
	formCookie    = "yinxin-form"
	deviceCookie  = "yinxin-device"
)

// deviceLife is how long a browser is remembered as one in which a person has signed on.
const deviceLife = 400 * 24 * time.Hour

// SetSession makes value the browser's session; an empty value ends it.
func (c Cookies) SetSession(w http.ResponseWriter, value string) {
	age := 0
	if value == "" {
		age = -1
	}
	c.set(w, sessionCookie, value, age)
}

// SessionID returns the identifier of the browser's session, the digest of its cookie, or "".
func (c Cookies) SessionID(r *http.Request) string {
	value := c.get(r, sessionCookie)
	if value == "" {
		return ""
	}
	return SessionID(value)
}

// SessionID returns the identifier of the session with a cookie value. Only identifiers are stored.
func SessionID(value string) string { return digest("session", value) }

// SetDevice makes value the browser's device mark.
func (c Cookies) SetDevice(w http.ResponseWriter, value string) {
	c.set(w, deviceCookie, value, int(deviceLife/time.Second))
}

// Device returns the identifier of the browser's device mark, the digest of its cookie, or "".
func (c Cookies) Device(r *http.Request) string {
	value := c.get(r, deviceCookie)
	if value == "" {
		return ""
	}
	return DeviceID(value)
}

// DeviceID returns the identifier of the device mark with a cookie value.
func DeviceID(value string) string { return digest("device", value) }

// FormField is the name of the form field that holds the form token.
const FormField = "form"

// FormToken returns the token that the forms of this browser carry, and gives the browser its form cookie where it has
// none. The token is a digest of the cookie: another site can read neither, and other hosts cannot set the cookie.
func (c Cookies) FormToken(w http.ResponseWriter, r *http.Request, random io.Reader) (string, error) {
	value := c.get(r, formCookie)
	if len(value) != 22 {
		var err error
		if value, err = Token(random, 16); err != nil {
			return "", err
		}
		c.set(w, formCookie, value, 0)
	}
	return digest("form", value), nil
}

// CheckForm tells whether a posted form came from a page that we gave to this browser. The form must have been parsed.
func (c Cookies) CheckForm(r *http.Request) bool {
	// Browsers set Sec-Fetch-Site and no page can (W3C Fetch Metadata, section 2.3); older ones send Origin alone.
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	switch {
	case site != "" && site != "same-origin", site == "" && origin != "" && origin != c.Issuer:
		return false
	}
	value := c.get(r, formCookie)
	given := r.PostForm.Get(FormField)
	return value != "" && subtle.ConstantTimeCompare([]byte(digest("form", value)), []byte(given)) == 1
}

// Token returns n random bytes in base64url.
func Token(random io.Reader, n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("drawing a random token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

func digest(use, value string) string {
	sum := sha256.Sum256([]byte("yinxin " + use + "\x00" + value))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (c Cookies) secure() bool { return strings.HasPrefix(c.Issuer, "https:") }

func (c Cookies) name(name string) string {
	if c.secure() {
		return "__Host-" + name
	}
	return name
}

func (c Cookies) set(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: c.name(name), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: c.secure(), SameSite: http.SameSiteLaxMode,
	})
}

// get returns a cookie's value, or "" where there is none or there are two: one of them is not ours.
func (c Cookies) get(r *http.Request, name string) string {
	found := r.CookiesNamed(c.name(name))
	if len(found) != 1 || len(found[0].Value) > 128 {
		return ""
	}
	return found[0].Value
}

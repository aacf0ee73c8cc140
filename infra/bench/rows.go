package main

// section is a part of the table.
type section struct {
	name string
	rows []row
}

// row is one line: an operation, and the bare operations that it cannot do without. All are measured in the same run.
type row struct {
	name     string
	measured bench
	bare     []part
}

// bench is a benchmark: the folder of its package, and its name as go test prints it, without the word Benchmark and with
// spaces for underscores.
type bench struct{ folder, name string }

// part is a bare operation and how often the measured one contains it.
type part struct {
	times int
	name  string
	bench
}

// sections are the table. What a row contains is the least that the standard asks of it; chains, revocation lists and what
// a face or a page takes to draw are what the ratio is about.
var sections = []section{
	{"Formats: bytes in, bytes out", []row{
		{"SES: make a seal", bench{"shared/ses", "SES/make"}, []part{{1, "SM2 sign + verify", bench{"shared/ses", "SES/bare sign and verify"}}}},
		{"SES: stamp", bench{"shared/ses", "SES/stamp"}, []part{{1, "SM2 sign + verify", bench{"shared/ses", "SES/bare sign and verify"}}}},
		{"SES: verify a stamp", bench{"shared/ses", "SES/verify"}, []part{{1, "SM2 verify, stamp and seal", bench{"shared/ses", "SES/bare two verifies"}}}},
		{"OFD: stamp", bench{"shared/ofd", "OFD/stamp"}, []part{{1, "SM2 sign + verify", bench{"shared/ofd", "OFD/bare sign and verify"}}}},
		{"OFD: verify", bench{"shared/ofd", "OFD/verify"}, []part{{1, "SM2 verify, stamp and seal", bench{"shared/ofd", "OFD/bare two verifies"}}}},
		{"PDF: stamp", bench{"shared/pdf", "Sign/stamp"}, []part{
			{1, "ES256 sign", bench{"shared/pdf", "Sign/bare ECDSA"}}, {1, "ES256 verify", bench{"shared/pdf", "Verify/bare ECDSA"}}}},
		{"PDF: verify", bench{"shared/pdf", "Verify/one signature"}, []part{{1, "ES256 verify", bench{"shared/pdf", "Verify/bare ECDSA"}}}},
		{"SD-JWT VC: issue, 12 claims", bench{"shared/sdjwt", "Issue/Licence"}, []part{
			{1, "ES256 sign", bench{"shared/sdjwt", "Issue/BareES256Sign"}}, {1, "ES256 verify", bench{"shared/sdjwt", "Verify/BareES256Verify"}}}},
		{"SD-JWT VC: verify, 12 claims", bench{"shared/sdjwt", "Verify/Licence"}, []part{
			{1, "ES256 verify", bench{"shared/sdjwt", "Verify/BareES256Verify"}}}},
	}},
	{"Services: request in, answer out, on the embedded store", []row{
		{"Token exchange, authorization code", bench{"shared/oidc", "TokenExchange/authorization_code"}, []part{
			{1, "2 × ES256 sign, access and ID token", bench{"shared/oidc", "TokenExchange/two bare ES256 signatures"}}}},
		{"Stamp an OFD", bench{"infra/embedded", "StampService/ofd"}, []part{
			{1, "SM2 sign + verify", bench{"infra/embedded", "StampService/bare SM2SM3 sign and verify"}}}},
		{"Stamp a PDF", bench{"infra/embedded", "StampService/pdf"}, []part{
			{1, "ES256 sign + verify", bench{"infra/embedded", "StampService/bare ES256 sign and verify"}}}},
		{"Draft and issue a licence: credential, PDF, OFD and PNG face", bench{"infra/embedded", "IssueLicence/Issue"}, []part{
			{2, "ES256 sign + verify, credential and PDF", bench{"infra/embedded", "StampService/bare ES256 sign and verify"}},
			{1, "SM2 sign + verify, OFD", bench{"infra/embedded", "StampService/bare SM2SM3 sign and verify"}}}},
		{"Verify an OFD", bench{"infra/embedded", "VerifyService/ofd"}, []part{
			{2, "SM2 verify, stamp and seal", bench{"infra/embedded", "VerifyService/bare SM2SM3 verify"}}}},
		{"Verify a PDF", bench{"infra/embedded", "VerifyService/pdf"}, []part{
			{1, "ES256 verify", bench{"infra/embedded", "VerifyService/bare ES256 verify"}}}},
		{"Verify a licence", bench{"infra/embedded", "VerifyService/licence"}, []part{
			{2, "ES256 verify, credential and status list", bench{"infra/embedded", "VerifyService/bare ES256 verify"}}}},
	}},
}

package aws

// OtherRight is what a port, or an accessor of [Env] as "Env.TokenSigners", needs beside the records of ports: key
// rings, secrets, keys of KMS, objects, functions.
type OtherRight struct {
	Need     string
	Resource string   // by its name in template.yaml: "SsoTable", "TokenKey", "Artefacts/faces/*"
	Bound    string   // leading keys "key#token#*", encryption context "purpose=token", tag "tag purpose=token", "prefix faces/*"; "" for none
	Actions  []string // "kms:Decrypt"
}

// OtherRights are the needs beside [Rights], held equal to the policies in the same way. A Given or Resident key is
// reached by its tag: its ARN is not known to the template.
func OtherRights() []OtherRight {
	get, put := []string{"dynamodb:GetItem"}, []string{"dynamodb:GetItem", "dynamodb:PutItem"}
	decrypt, encrypt, sign := []string{"kms:Decrypt"}, []string{"kms:Encrypt"}, []string{"kms:Sign"}
	secret := []string{"kms:GenerateDataKeyWithoutPlaintext"}
	pair := []string{"kms:GenerateDataKeyPairWithoutPlaintext"}
	const kmsKeys = "!Sub arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/*"
	return []OtherRight{
		// The public halves of the token keys: the item without its ciphertexts.
		{"access.Keys", "SsoTable", "key#token#* of pk sk body revision", get},
		{"Env.TokenSigners", "SsoTable", "key#token#*", get},
		{"Env.TokenSigners", "TokenKey", "purpose=token", decrypt},
		{"Env.SealKeys", "SealsTable", "key#seal#*", get},
		{"Env.SealKeys", "SealsTable", "key#seal-compat#*", get},
		{"Env.SealKeys", "SealKey", "purpose=seal", decrypt},
		{"Env.SealKeys", "SealKey", "purpose=seal-compat", decrypt},
		{"Env.NewSealKeys", "SealsTable", "key#seal#*", put},
		{"Env.NewSealKeys", "SealsTable", "key#seal-compat#*", put},
		{"Env.NewSealKeys", "SealKey", "purpose=seal", encrypt},
		{"Env.NewSealKeys", "SealKey", "purpose=seal-compat", encrypt},
		{"Env.MakerKeys", "SealsTable", "key#seal-maker#*", get},
		{"Env.MakerKeys", "MakerKey", "purpose=seal-maker", decrypt},
		{"Env.LicenceKeys", "LicencesTable", "key#licence-issuer#*", get},
		{"Env.LicenceKeys", kmsKeys, "tag purpose=licence-issuer", sign},
		{"Env.StatusListKeys", "LicencesTable", "key#status-list#*", get},
		{"Env.StatusListKeys", kmsKeys, "tag purpose=status-list", sign},

		// Secrets: of the HMACs that stand in keys for people, of the pairwise subjects; both are made once.
		{"Env.identityKey", "RegistryTable", "secret#identity-hmac", get},
		{"Env.identityKey", "SecretKey", "owner=identity-hmac", decrypt},
		{"Env.PairwiseKey", "RegistryTable", "secret#pairwise", get},
		{"Env.PairwiseKey", "SecretKey", "owner=pairwise", decrypt},
		{"Env.Found", "RegistryTable", "secret#identity-hmac", put},
		{"Env.Found", "RegistryTable", "secret#pairwise", put},
		{"Env.Found", "SecretKey", "owner=identity-hmac", secret},
		{"Env.Found", "SecretKey", "owner=pairwise", secret},
		{"Env.Found", "SsoTable", "key#token#*", put},
		{"Env.Found", "TokenKey", "purpose=token", pair},

		// What certificates are judged by, the certificates of keys, and the registry's makers and issuers.
		{"seal.Trust", "RegistryTable", "trust#", []string{"dynamodb:Query"}},
		{"seal.Trust", "RegistryTable", "duty#*", []string{"dynamodb:Query"}},
		{"seal.Trust", "RegistryTable", "organisation#*", get},
		{"seal.Trust", "LicencesTable", "type#*", []string{"dynamodb:Query"}},
		{"verify.Trust", "RegistryTable", "trust#", []string{"dynamodb:Query"}},
		{"verify.Trust", "RegistryTable", "duty#*", []string{"dynamodb:Query"}},
		{"verify.Trust", "RegistryTable", "organisation#*", get},
		{"verify.Trust", "LicencesTable", "type#*", []string{"dynamodb:Query"}},
		{"licence.IssuerCertificates", "RegistryTable", "certificate#licence-issuer#*", get},
		{"licence.IssuerCertificates", "RegistryTable", "certificate#status-list#*", get},
		{"seal.Certifier", "RegistryTable", "certificate#seal-maker#*", get},
		{"seal.Certifier", "RegistryTable", "trust#", []string{"dynamodb:Query"}},
		{"seal.Certifier", "SecretKey", "owner=ca", decrypt},
		{"aws.Trust", "RegistryTable", "trust#", []string{"dynamodb:PutItem"}},
		{"aws.Certificates", "RegistryTable", "certificate#*", []string{"dynamodb:PutItem"}},
		{"aws.Certificates", "SealsTable", "key#seal-maker#* of pk sk body revision", get},
		{"aws.Certificates", "LicencesTable", "key#licence-issuer#* of pk sk body revision", get},
		{"aws.Certificates", "LicencesTable", "key#licence-issuer-gm#* of pk sk body revision", get},
		{"aws.Certificates", "LicencesTable", "key#status-list#* of pk sk body revision", get},

		// Keys that are made and ended.
		{"Env.NewTokenKeys", "SsoTable", "key#token#*", put},
		{"Env.NewTokenKeys", "TokenKey", "purpose=token", pair},
		{"Env.NewAgencyKeys", "SealsTable", "key#seal-maker#*", put},
		{"Env.NewAgencyKeys", "MakerKey", "purpose=seal-maker", encrypt},
		{"Env.NewAgencyKeys", "LicencesTable", "key#licence-issuer#*", put},
		{"Env.NewAgencyKeys", "LicencesTable", "key#licence-issuer-gm#*", put},
		{"Env.NewAgencyKeys", "LicencesTable", "key#status-list#*", put},
		{"Env.NewAgencyKeys", "*", "new purpose=licence-issuer", []string{"kms:CreateKey", "kms:TagResource"}},
		{"Env.NewAgencyKeys", "*", "new purpose=licence-issuer-gm", []string{"kms:CreateKey", "kms:TagResource"}},
		{"Env.NewAgencyKeys", "*", "new purpose=status-list", []string{"kms:CreateKey", "kms:TagResource"}},
		{"Env.NewAgencyKeys", kmsKeys, "tag purpose=licence-issuer", []string{"kms:GetPublicKey", "kms:ScheduleKeyDeletion", "kms:Sign"}},
		{"Env.NewAgencyKeys", kmsKeys, "tag purpose=licence-issuer-gm", []string{"kms:GetPublicKey", "kms:ScheduleKeyDeletion", "kms:Sign"}},
		{"Env.NewAgencyKeys", kmsKeys, "tag purpose=status-list", []string{"kms:GetPublicKey", "kms:ScheduleKeyDeletion", "kms:Sign"}},

		{"licence.ArtefactReader", "Artefacts/faces/*", "", []string{"s3:GetObject"}},
		{"licence.ArtefactReader", "Artefacts", "prefix faces/*", []string{"s3:ListBucket"}},
		{"licence.Artefacts", "Artefacts/faces/*", "", []string{"s3:PutObject"}},
		{"licence.FaceStamper", "!Ref SealStamp.Alias", "", []string{"lambda:InvokeFunction"}},

		// Large documents and jobs. How far a job is stands in attributes of its own: what it asks for is not among them.
		{"seal.Uploads", "Artefacts/uploads/*", "", []string{"s3:GetObject"}},
		{"seal.Uploads", "Artefacts", "prefix uploads/*", []string{"s3:ListBucket"}},
		{"seal.Results", "Artefacts/results/*", "", []string{"s3:GetObject", "s3:PutObject"}},
		{"seal.Results", "Artefacts", "prefix results/*", []string{"s3:ListBucket"}},
		{"document.UploadAddresses", "Artefacts/uploads/*", "", []string{"s3:PutObject"}},
		{"document.ResultAddresses", "Artefacts/results/*", "", []string{"s3:GetObject"}},
		{"document.Claims", "SealsTable", "job#* of pk sk state lease mark attempt end event firstPk firstSk", []string{"dynamodb:UpdateItem"}},
		{"document.Queue", "JobQueue", "", []string{"sqs:SendMessage"}},
		{"notice.Sender", "Notices", "", []string{"sqs:SendMessage"}},
		{"document.Worker", "!Ref SealStamp.Alias", "", []string{"lambda:InvokeFunction"}},
	}
}

// Right is what a port needs of a table: actions on the items whose partition key begins with a prefix.
type Right struct {
	Port    string   // "oidc.CodeRedeemer"
	Table   string   // "sso", "registry", "seals", "licences" or "log"
	Index   string   // "" for the table itself
	Prefix  string   // of pk, or of the index's partition key
	Actions []string // of DynamoDB, "UpdateItem"
}

// Rights are the needs of every port. The policies of template.yaml are held equal to them, port by port, by
// infra/check.
//
// An index is named with the prefix of its own partition key: that is what the condition key dynamodb:LeadingKeys holds
// when an index is queried.
func Rights() []Right {
	const sso, registry, seals, licences, log = "sso", "registry", "seals", "licences", "log"
	get, put, update, query := []string{"GetItem"}, []string{"PutItem"}, []string{"UpdateItem"}, []string{"Query"}
	return []Right{
		// Sign-on: grants with their codes and refresh families, sessions, consents, what was used once.
		{"oidc.GrantSaver", sso, "", "grant#", put},
		{"oidc.CodeRedeemer", sso, "", "grant#", []string{"GetItem", "UpdateItem"}},
		{"oidc.CodeRedeemer", sso, "", "session#", get},
		{"oidc.Refresher", sso, "", "grant#", []string{"GetItem", "UpdateItem"}},
		{"oidc.Refresher", sso, "", "session#", get},
		{"oidc.GrantRevoker", sso, "", "grant#", update},
		{"access.Grants", sso, "", "grant#", get},
		{"access.Grants", sso, "", "session#", get},
		{"oidc.SessionSaver", sso, "", "session#", []string{"PutItem", "UpdateItem"}},
		{"access.Sessions", sso, "", "session#", get},
		{"oidc.Consents", sso, "", "consent#", []string{"GetItem", "UpdateItem"}},
		{"oidc.ReplayGuard", sso, "", "used#", put},
		{"account.Credentials", sso, "", "credential#", get},
		{"account.CredentialAdder", sso, "", "credential#", put},
		{"account.Counters", sso, "", "counter#", []string{"PutItem", "UpdateItem"}},
		{"access.Budgets", sso, "", "budget#", []string{"PutItem", "UpdateItem"}},
		{"account.Devices", sso, "", "device#", []string{"GetItem", "PutItem"}},

		// The registry: people, organisations, mandates, clients.
		{"oidc.Clients", registry, "", "client#", get},
		{"oidc.ClientSaver", registry, "", "client#", put},
		{"oidc.Persons", registry, "", "person#", get},
		{"account.People", registry, "", "person#", get},
		{"account.People", registry, "", "mandate#", query},
		{"account.People", registry, "", "organisation#", get},
		{"account.Names", registry, "", "organisation#", get},
		{"account.Names", registry, "", "client#", get},
		{"registry.Persons", registry, "", "person#", get},
		{"registry.PersonSaver", registry, "", "person#", put},
		{"registry.Organisations", registry, "", "organisation#", get},
		{"registry.OrganisationSaver", registry, "", "organisation#", put},
		{"registry.OrganisationSaver", registry, "", "duty#", put},
		{"registry.Mandates", registry, "", "mandate#", get},
		{"registry.MandateLister", registry, "", "mandate#", query},
		{"registry.MandateLister", registry, "first", "mandates#", query},
		{"registry.MandateSaver", registry, "", "mandate#", put},
		{"seal.Directory", registry, "", "organisation#", get},
		{"seal.Directory", registry, "", "duty#", query},
		{"seal.Mandates", registry, "", "mandate#", get},
		{"licence.Agencies", registry, "", "organisation#", get},
		{"licence.Holders", registry, "", "organisation#", get},
		{"licence.Holders", registry, "", "person#", get},
		{"licence.Holders", registry, "first", "identity#", query},
		{"licence.Mandates", registry, "", "mandate#", get},

		// What is trusted: anchors and lists, the making units, the agencies that the licence types name.
		{"seal.Trust", registry, "", "trust#", query},
		{"seal.Trust", registry, "", "duty#", query},
		{"seal.Trust", registry, "", "organisation#", get},
		{"seal.Trust", licences, "", "type#", query},
		{"verify.Trust", registry, "", "trust#", query},
		{"verify.Trust", registry, "", "duty#", query},
		{"verify.Trust", registry, "", "organisation#", get},
		{"verify.Trust", licences, "", "type#", query},

		// Seals: records, the 14-digit codes they claimed, the orders under which they are used.
		{"seal.Reader", seals, "", "seal#", get},
		{"seal.Records", seals, "", "seal#", []string{"GetItem", "PutItem", "UpdateItem"}},
		{"seal.OwnerReader", seals, "first", "owner#", query},
		{"seal.Codes", seals, "", "code#", put},
		{"seal.CodeReader", seals, "", "code#", get},
		{"seal.Orders", seals, "", "order#", []string{"GetItem", "PutItem", "UpdateItem"}},
		{"seal.Uploads", seals, "", "document#", get},
		{"seal.Jobs", seals, "", "job#", []string{"GetItem", "PutItem"}},
		{"document.UploadSaver", seals, "", "document#", put},
		{"document.JobReader", seals, "", "job#", get},
		{"document.OpenJobs", seals, "first", "jobs#", query},
		{"verify.SealStatus", seals, "", "code#", get},
		{"verify.SealStatus", seals, "", "seal#", get},

		// Licences: records, identifiers, types, places in status lists, the lists, show codes.
		{"licence.Reader", licences, "", "licence#", get},
		{"licence.Records", licences, "", "licence#", []string{"GetItem", "PutItem", "UpdateItem"}},
		{"licence.Identifiers", licences, "", "identifier#", put},
		{"licence.IdentifierReader", licences, "", "identifier#", get},
		{"licence.HolderReader", licences, "first", "holder#", query},
		{"licence.ListEntries", licences, "first", "tickets#", query},
		{"licence.ListEntries", licences, "second", "entries#", query},
		{"licence.Tickets", licences, "", "ticket#", update},
		{"licence.TicketKeeper", licences, "", "ticket#", []string{"GetItem", "UpdateItem"}},
		{"licence.TypeReader", licences, "", "type#", get},
		{"licence.TypeLister", licences, "", "type#", query},
		{"licence.TypeSaver", licences, "", "type#", put},
		{"licence.StatusListReader", licences, "", "list#", get},
		{"licence.StatusListReader", licences, "first", "lists#", query},
		{"licence.StatusListPublisher", licences, "", "list#", []string{"GetItem", "PutItem", "UpdateItem"}},
		{"licence.ShowCodes", licences, "", "show#", put},
		{"verify.ShowCodes", licences, "", "show#", update},
		{"verify.StatusLists", licences, "", "list#", get},
		{"verify.LicenceLookup", licences, "", "identifier#", get},
		{"verify.LicenceLookup", licences, "", "licence#", get},
		{"verify.LicenceLookup", licences, "", "type#", get},

		// The trail. Events of records reach it through the streams.
		{"audit.Recorder", log, "", "event#", put},
		{"audit.HolderReader", log, "first", "holder#", query},
		{"audit.ObjectReader", log, "second", "object#", query},
		{"audit.TimeReader", log, "third", "day#", query},
	}
}

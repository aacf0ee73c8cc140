package aws

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
		{"registry.AgentLister", registry, "first", "mandates#", query},
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
		{"seal.Replacer", seals, "", "seal#", []string{"GetItem", "UpdateItem"}},
		{"seal.Records", seals, "", "seal#", put},
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

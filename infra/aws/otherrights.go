package aws

// OtherRight is what a port, or an accessor of [Env] as "Env.TokenSigners", needs beside the records of ports: key
// rings, secrets, keys of KMS, objects, functions.
type OtherRight struct {
	Need     string // a port, "seal.Results", or an accessor, "Env.TokenSigners"
	Resource string // by its name in template.yaml: "SsoTable", "TokenKey", "Artefacts/faces/*"

	// Bound is what the condition of the policy says: leading keys "key#token#*", an encryption context "purpose=token", a
	// tag "tag purpose=token", the tag of a key to be made "new purpose=token", a prefix "prefix faces/*"; "" for none.
	Bound   string
	Actions []string // "kms:Decrypt"
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

		// What certificates are judged by, under one partition key, and the certificates of keys.
		{"seal.Trust", "RegistryTable", "trust#", []string{"dynamodb:Query"}},
		{"verify.Trust", "RegistryTable", "trust#", []string{"dynamodb:Query"}},
		{"licence.IssuerCertificates", "RegistryTable", "certificate#licence-issuer#*", get},
		{"licence.IssuerCertificates", "RegistryTable", "certificate#status-list#*", get},
		{"seal.Certifier", "RegistryTable", "certificate#seal-maker#*", get},
		{"seal.Certifier", "RegistryTable", "trust#", []string{"dynamodb:Query"}},
		{"seal.Certifier", "SecretKey", "owner=ca", decrypt},
		{"aws.TrustSaver", "RegistryTable", "trust#", []string{"dynamodb:PutItem"}},
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
		{"Env.NewAgencyKeys", kmsKeys, "tag purpose=licence-issuer",
			[]string{"kms:GetPublicKey", "kms:ScheduleKeyDeletion", "kms:Sign"}},
		{"Env.NewAgencyKeys", kmsKeys, "tag purpose=licence-issuer-gm",
			[]string{"kms:GetPublicKey", "kms:ScheduleKeyDeletion", "kms:Sign"}},
		{"Env.NewAgencyKeys", kmsKeys, "tag purpose=status-list",
			[]string{"kms:GetPublicKey", "kms:ScheduleKeyDeletion", "kms:Sign"}},

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
		{"document.Claims", "SealsTable", "job#* of pk sk state lease mark attempt end event firstPk firstSk",
			[]string{"dynamodb:UpdateItem"}},
		{"document.Queue", "JobQueue", "", []string{"sqs:SendMessage"}},
		{"notice.Sender", "Notices", "", []string{"sqs:SendMessage"}},
		{"document.Worker", "!Ref SealStamp.Alias", "", []string{"lambda:InvokeFunction"}},
	}
}

package proof

import "github.com/yinxin/yinxin/shared/verdict"

// The codes of the tables. Those of chains are in shared/trust, those of the SD-JWT form in shared/sdjwt, and are shown
// as they are there. Names are those of EN 319 102-1 where it has one.
const (
	NotEvaluated = "NOT_EVALUATED" // an earlier failure left nothing to look at
	NoSignature  = "NO_SIGNATURE"  // the document carries none

	FormatFailure         = "FORMAT_FAILURE"
	BeyondBounds          = "BEYOND_BOUNDS"            // larger or deeper than what is examined here: not shown to be false
	VersionUnsupported    = "SEAL_VERSION_UNSUPPORTED" // v1 or v5 of the seal format
	HashFailure           = "HASH_FAILURE"
	SigCryptoFailure      = "SIG_CRYPTO_FAILURE"
	SealSignatureFailure  = "SEAL_SIGNATURE_FAILURE"
	SealCertMismatch      = "SEAL_CERT_MISMATCH"
	SealExpiredAtSigning  = "SEAL_EXPIRED_AT_SIGNING"
	SealRevoked           = "SEAL_REVOKED"
	SealSuspended         = "SEAL_SUSPENDED"
	SealNotActive         = "SEAL_NOT_ACTIVE"
	SealNotAsRegistered   = "SEAL_NOT_AS_REGISTERED"
	SealStatusUnknown     = "SEAL_STATUS_UNKNOWN"
	SealExtensionCritical = "SEAL_CRITICAL_EXTENSION"
	SealFileDiffers       = "SEAL_FILE_DIFFERS"
	TimeImpossible        = "SIGNING_TIME_IMPOSSIBLE"
	TimestampUnchecked    = "TIMESTAMP_UNCHECKED"
	TimestampMissing      = "TIMESTAMP_MISSING"
	PropertyMismatch      = "PROPERTY_MISMATCH"
	CoverageIncomplete    = "COVERAGE_INCOMPLETE"
	SmuggledFiles         = "SMUGGLED_FILES"
	SignatureStripped     = "SIGNATURE_STRIPPED"
	StampDisplaced        = "STAMP_DISPLACED"
	SealOverlapped        = "SEAL_OVERLAPPED"
	AlgorithmNotAllowed   = "ALGORITHM_NOT_ALLOWED"
	Tolerated             = "TOLERATED_DEVIATION"
	FontNotEmbedded       = "FONT_NOT_EMBEDDED"
	ManifestUnchecked     = "MANIFEST_UNCHECKED"
	KindUnsupported       = "SIGNATURE_KIND_UNSUPPORTED" // Type="Sign" in OFD, unknown SubFilter in PDF

	SignatureOnly       = "SEAL_SIGNATURE_ONLY"    // a picture over a plain signature
	ChangedAfter        = "CHANGED_AFTER_SIGNING"  // a later revision changes what the signature does not allow
	ExtendedAfter       = "EXTENDED_AFTER_SIGNING" // a later revision adds what is allowed
	StructureForged     = "STRUCTURE_FORGED"       // byte ranges or structure that hide content from the signature
	LicenceFormat       = "LIC_FORMAT"
	LicenceIDMissing    = "LIC_ID_MISSING"
	LicenceIDStructure  = "LIC_ID_STRUCTURE"
	LicenceIDCheck      = "LIC_ID_CHECK_MISMATCH"
	LicenceIDWithheld   = "LIC_ID_WITHHELD"
	LicenceIssuer       = "LIC_ISSUER_MISMATCH"
	LicenceTypeMismatch = "LIC_TYPE_MISMATCH"
	LicenceTypeUnknown  = "LIC_TYPE_UNKNOWN"
	LicenceNoChain      = "LIC_NO_CERTIFICATE"
	LicenceSignature    = "LIC_SIGNATURE"
	LicenceDisclosure   = "LIC_DISCLOSURE"
	LicenceNotYet       = "LIC_NOT_YET_VALID"
	LicenceExpired      = "LIC_EXPIRED"
	LicenceRevoked      = "LIC_REVOKED"
	LicenceSuspended    = "LIC_SUSPENDED"
	LicenceSuperseded   = "LIC_SUPERSEDED"
	LicenceNoStatus     = "LIC_NO_STATUS"
	LicenceStatus       = "LIC_STATUS_UNKNOWN"
	LicenceStatusList   = "LIC_STATUS_LIST_INVALID"
	LicenceNoKB         = "LIC_NO_KB"
	LicenceKBUnchecked  = "LIC_KB_UNCHECKED"
	LicenceKB           = "LIC_KB_INVALID"
	LicenceUnknown      = "LIC_UNKNOWN"
	LicenceLost         = "LIC_LOST"
	LicenceExpectation  = "LIC_EXPECTATION_MISMATCH"
	CodeSpent           = "SHOW_CODE_SPENT"
	CodeUnknown         = "SHOW_CODE_UNKNOWN"
	InputUnknown        = "INPUT_UNKNOWN"
)

// meaning is what a code says to a person, and what to do.
type meaning struct{ text, next verdict.Text }

func says(zh, en string) meaning { return meaning{text: verdict.Text{ZH: zh, EN: en}} }

func (m meaning) then(zh, en string) meaning {
	m.next = verdict.Text{ZH: zh, EN: en}
	return m
}

// The next steps that several codes share.
const (
	refuseZH, refuseEN = "不要采信；请向出具单位索取原件。", "Do not rely on it; ask the issuer for the original."
	laterZH, laterEN   = "请稍后重试，或向出具单位核实。", "Try again later, or ask the issuer."
)

// meanings is read only.
var meanings = map[string]meaning{
	NotEvaluated: says("因前面的检查未通过而未检查。", "Not looked at, since an earlier check failed."),
	NoSignature: says("文件中没有任何签章。", "The document carries no signature at all.").
		then("请确认收到的是签章后的文件。", "Make sure that you have the stamped file."),

	FormatFailure: says("格式不符合标准，拒绝解读。", "The form breaks the standard and is not interpreted.").
		then(refuseZH, refuseEN),
	BeyondBounds: says("文件超出本系统可检查的范围。", "The file is beyond what can be examined here.").
		then("请用其他软件验证，或向出具单位核实。", "Verify it with other software, or ask the issuer."),
	VersionUnsupported: says("印章格式为本系统尚不解读的版本。", "The seal is of a version of the format that is not read here.").
		then("请用支持该版本的软件验证。", "Verify it with software that reads this version."),
	HashFailure: says("内容在签章之后被改动。", "The content was changed after it was stamped.").
		then(refuseZH, refuseEN),
	SigCryptoFailure: says("签名值与所签数据不符。", "The signature does not fit what it signs.").
		then(refuseZH, refuseEN),
	SealSignatureFailure: says("印章数据不是制章者签发的原样。", "The seal is not as its maker signed it.").
		then(refuseZH, refuseEN),
	SealCertMismatch: says("签章者证书不在印章的证书列表中。", "The signer's certificate is not in the seal's list.").
		then(refuseZH, refuseEN),
	SealExpiredAtSigning: says("签章时印章不在有效期内。", "The seal was outside its validity when it was used.").
		then(refuseZH, refuseEN),
	SealRevoked: says("签章时印章已被撤销。", "The seal had been revoked when it was used.").
		then(refuseZH, refuseEN),
	SealSuspended: says("签章时印章处于停用状态。", "The seal was suspended when it was used.").
		then(refuseZH, refuseEN),
	SealNotActive: says("签章时印章尚未启用。", "The seal was not yet in use when it was used.").
		then(refuseZH, refuseEN),
	SealNotAsRegistered: says("印章数据与登记的同号印章不同。", "The seal differs from the registered one with this code.").
		then(refuseZH, refuseEN),
	SealStatusUnknown: says("无法查询该印章的状态。", "The status of the seal cannot be asked for here.").
		then("请向印章的制发部门核实其状态。", "Ask the authority that issued the seal for its status."),
	SealExtensionCritical: says("印章含有本系统不识别的关键扩展。", "The seal has a critical extension that is not known here.").
		then("请用支持该扩展的软件验证。", "Verify it with software that knows the extension."),
	SealFileDiffers: says("包内印章文件与签名中的印章不同。", "The seal file of the package is not the seal that was signed.").
		then(refuseZH, refuseEN),
	TimeImpossible: says("声称的签章时间不可能成立。", "The claimed time of the stamp is impossible.").
		then(refuseZH, refuseEN),
	TimestampUnchecked: says("带有时间戳，本系统未予验证。", "There is a time stamp, which is not verified here.").
		then("请用支持时间戳的软件验证。", "Verify it with software that reads time stamps."),
	TimestampMissing: says("没有时间戳，签署时间由签章者声称。", "There is no time stamp: the time is what the signer says."),
	PropertyMismatch: says("签名所指的位置与文件实际位置不符。", "What the signature says it protects is not where it stands.").
		then(refuseZH, refuseEN),
	CoverageIncomplete: says("文件有内容未被任何有效签章保护。", "Part of the document is protected by no valid signature.").
		then("未受保护的部分可能已被替换；请索取完整保护的文件。", "The unprotected part may have been replaced; ask for a fully protected file."),
	SmuggledFiles: says("包内夹带了文档之外且未受保护的文件。", "The package holds files that do not belong to the document.").
		then(refuseZH, refuseEN),
	SignatureStripped: says("曾有签章被移除。", "A signature that was there has been removed.").
		then(refuseZH, refuseEN),
	StampDisplaced: says("印章的显示位置或大小不实。", "The seal is not shown where or as it was stamped.").
		then(refuseZH, refuseEN),
	SealOverlapped: says("印章与另一签章的图形重叠，可能被遮挡。", "The seal and that of another signature overlap: one may hide the other."),
	AlgorithmNotAllowed: says("使用了不允许的密码算法。", "An algorithm is used that is not allowed.").
		then(refuseZH, refuseEN),
	Tolerated:         says("与标准略有出入，不影响结论。", "It departs from the standard in a way that does not matter here."),
	FontNotEmbedded:   says("字体未嵌入，显示可能因设备而异。", "A font is not embedded: the text may look different elsewhere."),
	ManifestUnchecked: says("包内另有完整性清单，本系统未检查。", "The package has an integrity manifest, which is not checked here."),
	KindUnsupported: says("该类签名本系统尚不验证。", "Signatures of this kind are not verified here.").
		then("请用支持该类签名的软件验证。", "Verify it with software that knows this kind."),

	SignatureOnly: says("这是兼容签名上的印章图形，不是符合 GB/T 38540 的电子印章。",
		"This is the picture of a seal over a compatibility signature, not an electronic seal after GB/T 38540.").
		then("需要电子印章效力时，请索取 OFD 版本。", "Where an electronic seal is needed, ask for the OFD."),
	ChangedAfter: says("签名之后文件又被改动。", "The file was changed after it was signed.").
		then(refuseZH, refuseEN),
	ExtendedAfter: says("签名之后文件增加了允许的内容。", "After it was signed the file was extended as is allowed."),
	StructureForged: says("文件结构使签名未能保护所显示的内容。", "The file is built so that the signature does not protect what is shown.").
		then(refuseZH, refuseEN),

	LicenceFormat: says("不是可解读的电子证照凭证。", "It is no licence credential that can be read.").
		then(refuseZH, refuseEN),
	LicenceIDMissing: says("凭证中没有电子证照标识。", "The credential holds no licence identifier.").
		then(refuseZH, refuseEN),
	LicenceIDStructure: says("电子证照标识不符合 GB/T 36904。", "The licence identifier breaks GB/T 36904.").
		then(refuseZH, refuseEN),
	LicenceIDCheck: says("电子证照标识的校验位与计算值不同。", "The check character of the identifier is not the computed one.").
		then("部分系统签发过此类标识；请以登记信息为准。", "Some systems issued such identifiers; go by the register."),
	LicenceIDWithheld: says("持证人未出示电子证照标识。", "The holder did not disclose the identifier."),
	LicenceIssuer: says("签发者与其证书或标识不符。", "The issuer is not the one of the certificate or identifier.").
		then(refuseZH, refuseEN),
	LicenceTypeMismatch: says("凭证所称的证照类型互不一致。", "The credential names more than one type of licence.").
		then(refuseZH, refuseEN),
	LicenceTypeUnknown: says("无法确定凭证属于哪一类证照。", "Of which type of licence the credential is cannot be told.").
		then(laterZH, laterEN),
	LicenceNoChain: says("凭证未附签发者证书。", "The credential brings no certificate of its issuer.").
		then(refuseZH, refuseEN),
	LicenceSignature: says("签发者的签名不成立。", "The issuer's signature does not verify.").then(refuseZH, refuseEN),
	LicenceDisclosure: says("出示的信息项不是签发者签发的原样。", "What is disclosed is not what the issuer signed.").
		then(refuseZH, refuseEN),
	LicenceNotYet: says("证照尚未生效。", "The licence is not yet valid."),
	LicenceExpired: says("证照已过有效期。", "The licence has expired.").
		then("请持证人办理延续。", "The holder should have it renewed."),
	LicenceRevoked: says("证照已被撤销或注销。", "The licence has been revoked.").
		then("不要采信；可向签发机关核实原因。", "Do not rely on it; the issuer can tell why."),
	LicenceSuspended: says("证照处于暂扣状态。", "The licence is suspended.").
		then("目前不要采信；可稍后重试。", "Do not rely on it now; try again later."),
	LicenceSuperseded: says("证照已被新版本取代。", "The licence was superseded by a newer one.").
		then("请持证人出示最新版本。", "Ask the holder for the newest one."),
	LicenceNoStatus:   says("该证照没有状态列表。", "The licence has no status list."),
	LicenceStatus:     says("无法取得证照状态。", "The status of the licence could not be had.").then(laterZH, laterEN),
	LicenceStatusList: says("证照状态列表不可信。", "The status list cannot be trusted.").then(laterZH, laterEN),
	LicenceNoKB:       says("未要求持证人证明持有密钥。", "No proof of the holder's key was asked for."),
	LicenceKBUnchecked: says("附有持证人证明，因未说明受众和随机数而未验证。",
		"There is a holder's proof, not verified for want of audience and nonce.").
		then("请在 expect 中给出 audience 与 nonce。", "State audience and nonce in expect."),
	LicenceKB: says("持证人证明不成立。", "The holder's proof does not hold.").
		then("请持证人重新出示。", "Ask the holder to present it again."),
	LicenceUnknown: says("查无此证照。", "No such licence is known here.").then("请核对输入。", "Check the input."),
	LicenceLost: says("该标识已签发过证照，但其内容在数据恢复中丢失。",
		"A licence was issued under this identifier; its content was lost when data was restored.").
		then("请向颁证机构核实，或请其重新签发。", "Ask the agency, which can issue it anew."),
	LicenceExpectation: says("证照与所期望的内容不符。", "The licence is not what was expected.").
		then("请核对所办事项要求的证照。", "Check which licence the matter asks for."),
	CodeSpent: says("该亮证码已被使用。", "The code has been used already.").
		then("请持证人重新出示。", "Ask the holder to show a new one."),
	CodeUnknown: says("该亮证码不存在或已过期。", "There is no such code, or it has expired.").
		then("请持证人重新出示。", "Ask the holder to show a new one."),
	InputUnknown: says("无法识别输入的类型。", "It is not clear what the input is.").
		then("请提交 PDF、OFD、证照标识、亮证码或凭证文本。", "Send a PDF, an OFD, an identifier, a code or a credential."),
}

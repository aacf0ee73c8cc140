package layout

var sampleValues = map[string]string{
	"certificateHolderCode": "91990000MA00000A0X", "certificateHolderName": "示例家政服务有限公司",
	"companyType": "有限责任公司（自然人投资或控股）", "legalRepresentative": "张䶮（示例）",
	"businessScope": "许可项目：家政服务职业技能培训（依法须经批准的项目，经相关部门批准后方可开展经营活动，具体经营项目以审批结果为准）。" +
		"一般项目：家政服务；居家养老服务；母婴生活护理（不含医疗服务）；病人陪护服务；专业保洁、清洗、消毒服务；日用电器修理；互联网销售（除销售需要许可的商品）。",
	"registeredCapital": "伍佰万元整", "establishedDate": "二〇二六年三月十八日",
	"address":                         "示例省示例市示例区示例大道1024号示例大厦A座16层1601室",
	"certificateIssuingAuthorityName": "示例省市场监督管理局", "certificateIssuedDate": "2026年3月18日",
	"certificateNumber": "990000202600000016", "employer": "示例家政服务有限公司", "serviceCategory": "家庭保洁、居家养老服务、母婴生活护理",
	"certificateValidityRange": "2026年3月18日至2029年3月17日",
}

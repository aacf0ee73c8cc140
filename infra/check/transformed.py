"""template.yaml as SAM transforms it, by SAM's own translator: what CloudFormation counts.

    transformed.py TEMPLATE RECORDED [OUT]

Prints the resources by type. Fails where there are more than RECORDED says, where RECORDED leaves less than its margin to
the 500 that one stack may have (CloudFormation User Guide, "Understand CloudFormation quotas"), where it says far more than
there are, where something refers to what is not there, and where a deployment with another CodeRev (and with it another
TokenEpoch) would leave an alias at the version of before. The directory OUT gets the transformed
template by partition, as aws.json and aws-cn.json.
"""
import collections
import json
import logging
import os
import re
import sys

import samtranslator.yaml_helper as yaml_helper
from samtranslator.translator.arn_generator import ArnGenerator
from samtranslator.translator.transform import transform

QUOTA, MARGIN, SLACK = 500, 40, 15


class Loader:
    """Managed policies by name: the translator asks IAM for them, and only ARNs come of it."""

    def load(self):
        return {}


def transformed(path, partition, region, **over):
    with open(path) as f:
        template = yaml_helper.yaml_parse(f.read())
    os.environ["AWS_DEFAULT_REGION"] = ArnGenerator.BOTO_SESSION_REGION_NAME = region
    parameters = {
        name: str(p.get("Default", "yinxin.example")) for name, p in template["Parameters"].items()
    }
    parameters.update(over)
    parameters["AWS::Region"], parameters["AWS::Partition"] = region, partition
    for name, r in template["Resources"].items():
        if r["Type"] == "AWS::Serverless::Function":  # what `sam package` would put there
            r["Properties"]["CodeUri"] = "s3://bucket/" + name
    return transform(template, parameters, Loader())


def references(node, found):
    """Every name that Ref, Fn::GetAtt, Fn::Sub, DependsOn and Condition speak of."""
    if isinstance(node, dict):
        for key, v in node.items():
            if key == "Ref" and isinstance(v, str):
                found.add(v)
            elif key == "Fn::GetAtt":
                found.add(v.split(".")[0] if isinstance(v, str) else v[0])
            elif key == "Fn::Sub":
                text = v if isinstance(v, str) else v[0]
                own = set() if isinstance(v, str) else set(v[1])
                found.update(n.split(".")[0] for n in re.findall(r"\$\{([^!][^}]*)\}", text) if n not in own)
            elif key == "DependsOn":
                found.update([v] if isinstance(v, str) else v)
            references(v, found)
    elif isinstance(node, list):
        for v in node:
            references(v, found)
    return found


def main():
    path, recorded = sys.argv[1], sys.argv[2]
    with open(recorded) as f:
        limit = int(next(line for line in f if not line.startswith("#")))
    logging.disable(logging.ERROR)  # of switches for features, for want of a service that turns them
    wrong = []
    for partition, region in (("aws", "us-east-1"), ("aws-cn", "cn-north-1")):
        t = transformed(path, partition, region)
        resources = t["Resources"]
        if len(sys.argv) > 3:
            with open(os.path.join(sys.argv[3], partition + ".json"), "w") as f:
                json.dump(t, f, indent=1, sort_keys=True)
        if partition == "aws":
            for kind, n in collections.Counter(r["Type"] for r in resources.values()).most_common():
                print(f"   {n:4} {kind}")
        print(f"   {len(resources):4} resources in {partition}, {limit} recorded, {QUOTA} possible")
        if len(resources) > limit:
            wrong.append(f"{len(resources)} resources in {partition}, more than the {limit} of {recorded}")
        if len(resources) < limit - SLACK:
            wrong.append(f"{recorded} says {limit}, far more than the {len(resources)} of {partition}")
        again = transformed(path, partition, region, CodeRev="another")["Resources"]
        for name, r in resources.items():
            if r["Type"] == "AWS::Lambda::Version" and name in again:
                wrong.append(f"another CodeRev publishes no version of {r['Properties']['FunctionName']['Ref']} in {partition}")
        known = set(resources) | set(t.get("Parameters", {}))
        for name in sorted(references([resources, t.get("Outputs", {})], set())):
            if name not in known and not name.startswith("AWS::"):
                wrong.append(f"something refers to {name}, which is not there")
    if limit > QUOTA - MARGIN:
        wrong.append(f"{recorded} leaves less than {MARGIN} resources to the quota: split the stack")
    for line in wrong:
        print(line, file=sys.stderr)
    return bool(wrong)


sys.exit(main())

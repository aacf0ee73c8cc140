package dynamotest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	yaml "github.com/oasdiff/yaml3"
)

// deployed is a table of template.yaml, as far as a schema goes. The keys of YAML are those of CloudFormation.
type deployed struct {
	AttributeDefinitions []struct {
		AttributeName string `yaml:"AttributeName"`
		AttributeType string `yaml:"AttributeType"`
	} `yaml:"AttributeDefinitions"`
	KeySchema              []keyOf `yaml:"KeySchema"`
	BillingMode            string  `yaml:"BillingMode"`
	GlobalSecondaryIndexes []struct {
		IndexName  string  `yaml:"IndexName"`
		KeySchema  []keyOf `yaml:"KeySchema"`
		Projection struct {
			ProjectionType   string   `yaml:"ProjectionType"`
			NonKeyAttributes []string `yaml:"NonKeyAttributes"`
		} `yaml:"Projection"`
	} `yaml:"GlobalSecondaryIndexes"`
	LocalSecondaryIndexes []yaml.Node `yaml:"LocalSecondaryIndexes"`
	StreamSpecification   struct {
		StreamViewType string `yaml:"StreamViewType"`
	} `yaml:"StreamSpecification"`
}

type keyOf struct {
	AttributeName string `yaml:"AttributeName"`
	KeyType       string `yaml:"KeyType"`
}

func (d deployed) lines() (list []string) {
	keys := func(keys []keyOf) (text string) {
		for _, k := range keys {
			text += " " + k.KeyType + " " + k.AttributeName
		}
		return text
	}
	list = append(list, "billing "+d.BillingMode, "keys"+keys(d.KeySchema), "stream "+d.StreamSpecification.StreamViewType)
	for _, a := range d.AttributeDefinitions {
		list = append(list, "attribute "+a.AttributeName+" "+a.AttributeType)
	}
	for _, i := range d.GlobalSecondaryIndexes {
		list = append(list, fmt.Sprintf("index %s%s %s %v", i.IndexName, keys(i.KeySchema), i.Projection.ProjectionType, i.Projection.NonKeyAttributes))
	}
	for range d.LocalSecondaryIndexes {
		list = append(list, "a local index")
	}
	slices.Sort(list)
	return list
}

// lines writes what a test's table has in the same words.
func lines(in *dynamodb.CreateTableInput) (list []string) {
	keys := func(keys []types.KeySchemaElement) (text string) {
		for _, k := range keys {
			text += " " + string(k.KeyType) + " " + *k.AttributeName
		}
		return text
	}
	stream := types.StreamViewType("")
	if in.StreamSpecification != nil && *in.StreamSpecification.StreamEnabled {
		stream = in.StreamSpecification.StreamViewType
	}
	list = append(list, "billing "+string(in.BillingMode), "keys"+keys(in.KeySchema), "stream "+string(stream))
	for _, a := range in.AttributeDefinitions {
		list = append(list, "attribute "+*a.AttributeName+" "+string(a.AttributeType))
	}
	for _, i := range in.GlobalSecondaryIndexes {
		list = append(list, fmt.Sprintf("index %s%s %s %v", *i.IndexName, keys(i.KeySchema), i.Projection.ProjectionType, i.Projection.NonKeyAttributes))
	}
	slices.Sort(list)
	return list
}

// What the adapters are tested on is what is deployed: keys, attributes, indexes, projections, streams.
func TestTheTablesOfTestsAreThoseOfTheTemplate(t *testing.T) {
	data, err := os.ReadFile("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type       string    `yaml:"Type"`
			Properties yaml.Node `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(data, &template); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for name, r := range template.Resources {
		if r.Type != "AWS::DynamoDB::Table" {
			continue
		}
		seen++
		var d deployed
		if err := r.Properties.Decode(&d); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		kind := strings.ToLower(strings.TrimSuffix(name, "Table"))
		want, got := lines(Schema(kind, name)), d.lines()
		if _, has := layout()[kind]; !has || !slices.Equal(want, got) {
			t.Errorf("%s is deployed with\n\t%s\nand tested with\n\t%s", name, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
	}
	if seen != len(layout()) {
		t.Errorf("%d tables are deployed, %d tested", seen, len(layout()))
	}
}

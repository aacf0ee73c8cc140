package kmstest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"
)

type alias struct {
	target           string // key identifier
	created, updated time.Time
}

var aliasName = regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]{1,250}$`) // CreateAlias, parameter AliasName

type aliasInput struct{ AliasName, TargetKeyId string }

func createAlias(r *request, in aliasInput) (nothing, error) {
	if _, there := r.aliases[in.AliasName]; there {
		return nothing{}, refuse("AlreadyExistsException", "An alias with the name %s already exists", r.aliasARN(in.AliasName))
	}
	return nothing{}, r.pointAlias(in)
}

func updateAlias(r *request, in aliasInput) (nothing, error) {
	if _, there := r.aliases[in.AliasName]; !there {
		return nothing{}, refuse("NotFoundException", "Alias %s is not found.", r.aliasARN(in.AliasName))
	}
	return nothing{}, r.pointAlias(in)
}

func (r *request) pointAlias(in aliasInput) error {
	if !aliasName.MatchString(in.AliasName) {
		return refuse("InvalidAliasNameException", "Alias %q is not valid", in.AliasName)
	}
	k, err := r.find(in.TargetKeyId)
	if err != nil {
		return err
	}
	if err := r.allow(k, nil); err != nil {
		return err
	}
	if k.state == pendingDeletion {
		return refuse("KMSInvalidStateException", "%s is pending deletion.", k.arn)
	}
	a := r.aliases[in.AliasName]
	a.target, a.updated = k.id, r.config.Now()
	if a.created.IsZero() {
		a.created = a.updated
	}
	r.aliases[in.AliasName] = a
	return nil
}

func deleteAlias(r *request, in struct{ AliasName string }) (nothing, error) {
	k, err := r.find(in.AliasName)
	if err != nil {
		return nothing{}, err
	}
	if err := r.allow(k, nil); err != nil {
		return nothing{}, err
	}
	delete(r.aliases, in.AliasName)
	return nothing{}, nil
}

type listAliasesInput struct {
	KeyId string
	Limit int
}

type aliasEntry struct {
	AliasName, AliasArn, TargetKeyId string
	CreationDate, LastUpdatedDate    float64
}

type listAliasesOutput struct {
	Aliases   []aliasEntry
	Truncated bool
}

func listAliases(r *request, in listAliasesInput) (out listAliasesOutput, err error) {
	if err := r.allowAccount("*", nil); err != nil {
		return out, err
	}
	target := ""
	if in.KeyId != "" {
		k, err := r.find(in.KeyId)
		if err != nil {
			return out, err
		}
		target = k.id
	}
	for _, name := range slices.Sorted(maps.Keys(r.aliases)) {
		a := r.aliases[name]
		if target == "" || a.target == target {
			out.Aliases = append(out.Aliases, aliasEntry{AliasName: name, AliasArn: r.aliasARN(name), TargetKeyId: a.target,
				CreationDate: epoch(a.created), LastUpdatedDate: epoch(a.updated)})
		}
	}
	if in.Limit > 0 && len(out.Aliases) > in.Limit {
		return out, refuse("UnsupportedOperationException", "there are no pages of aliases here")
	}
	return out, nil
}

func (r *request) aliasARN(name string) string {
	return fmt.Sprintf("arn:%s:kms:%s:%s:%s", r.config.Partition, r.config.Region, r.config.Account, name)
}

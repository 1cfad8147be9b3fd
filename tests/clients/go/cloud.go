package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack"
)

// calls remembers each request on its way.
type calls struct{ made []string }

func (c *calls) RoundTrip(request *http.Request) (*http.Response, error) {
	c.made = append(c.made, request.Method+" "+request.URL.RequestURI())
	return http.DefaultTransport.RoundTrip(request)
}

// forgetLast removes a call that is repeated until something is so.
func (c *calls) forgetLast() { c.made = c.made[:len(c.made)-1] }

// cloud is the image service as a user of it.
type cloud struct {
	*gophercloud.ServiceClient
	calls *calls
	login []string
}

// login finds the image service in the catalogue of whoever the variables OS_* name.
func login() (*cloud, error) {
	seen := &calls{}
	provider, err := openstack.NewClient(os.Getenv("OS_AUTH_URL"))
	if err != nil {
		return nil, err
	}
	provider.HTTPClient = http.Client{Transport: seen}
	scope := &gophercloud.AuthScope{ProjectName: os.Getenv("OS_PROJECT_NAME"), DomainID: "default"}
	err = openstack.Authenticate(provider, gophercloud.AuthOptions{
		IdentityEndpoint: os.Getenv("OS_AUTH_URL"), Username: os.Getenv("OS_USERNAME"),
		Password: os.Getenv("OS_PASSWORD"), DomainID: "default", Scope: scope, AllowReauth: true,
	})
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	service, err := openstack.NewImageServiceV2(provider, gophercloud.EndpointOpts{})
	if err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	if err := discover(provider, service.Endpoint); err != nil {
		return nil, fmt.Errorf("versions: %w", err)
	}
	found := &cloud{service, seen, seen.made}
	seen.made = []string{}
	return found, nil
}

var (
	versionInPath = regexp.MustCompile(`/v[0-9.]+/?$`)
	versionID     = regexp.MustCompile(`^v2(\.[0-9]+)?$`)
)

// The states that the library knows; any other one is an error to it.
var versionStates = map[string]bool{"": true, "CURRENT": true, "STABLE": true, "SUPPORTED": true, "DEPRECATED": true}

// discover asks an endpoint without a version whether it has version 2, as the library does since its version 2.
func discover(provider *gophercloud.ProviderClient, endpoint string) error {
	if versionInPath.MatchString(endpoint) {
		return nil
	}
	var told struct {
		Versions []struct {
			ID     string `json:"id"`
			Status string `json:"status"`
		} `json:"versions"`
	}
	options := &gophercloud.RequestOpts{JSONResponse: &told, OkCodes: []int{200, 300}}
	if _, err := provider.Request("GET", endpoint, options); err != nil {
		return err
	}
	has := false
	for _, version := range told.Versions {
		if !versionStates[version.Status] {
			return fmt.Errorf("%s has the unknown state %q", version.ID, version.Status)
		}
		has = has || versionID.MatchString(version.ID)
	}
	if !has {
		return errors.New("no version 2")
	}
	return nil
}

// orGone makes one error of every 404.
func orGone(err error) error {
	if _, is := err.(gophercloud.ErrDefault404); is {
		return errGone
	}
	return err
}

// text is a text of a configuration, empty if it is not there.
func (a attributes) text(key string) string {
	value, _ := a[key].(string)
	return value
}

func (a attributes) number(key string) int {
	value, _ := a[key].(float64)
	return int(value)
}

func (a attributes) is(key string) bool {
	value, _ := a[key].(bool)
	return value
}

func (a attributes) texts(key string) []string {
	values, _ := a[key].([]interface{})
	found := []string{}
	for _, value := range values {
		found = append(found, fmt.Sprint(value))
	}
	return found
}

// pairs are the texts of a map; other values in it do not count.
func (a attributes) pairs(key string) map[string]string {
	values, _ := a[key].(map[string]interface{})
	return onlyTexts(values)
}

func onlyTexts(values map[string]interface{}) map[string]string {
	found := map[string]string{}
	for key, value := range values {
		if text, is := value.(string); is {
			found[key] = text
		}
	}
	return found
}

// plain is a value as it comes back from the file of the state.
func plain(value attributes) attributes {
	var found attributes
	encoded, err := json.Marshal(value)
	if err == nil {
		err = json.NewDecoder(strings.NewReader(string(encoded))).Decode(&found)
	}
	if err != nil {
		panic(err)
	}
	return found
}

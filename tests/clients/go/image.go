package main

import (
	"compress/bzip2"
	"compress/gzip"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/imagedata"
	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/imageimport"
	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/images"
)

const (
	patience = 60 * time.Second
	pause    = 100 * time.Millisecond
)

var imageFields = map[string]field{
	"container_format": {renews: true}, "disk_format": {renews: true}, "image_id": {renews: true},
	"image_source_url": {unseen: true, renews: true}, "local_file_path": {unseen: true, renews: true},
	"decompress": {unseen: true, renews: true}, "verify_checksum": {unseen: true}, "web_download": {unseen: true},
	"min_disk_gb": {standard: 0.0}, "min_ram_mb": {standard: 0.0}, "name": {}, "protected": {standard: false},
	"hidden": {standard: false}, "tags": {standard: []interface{}{}}, "visibility": {standard: "private"},
	"properties": {},
}

// What the service alone sets, of what the library takes for properties.
var ofService = map[string]bool{
	"direct_url": true, "self": true, "file": true, "schema": true, "stores": true, "created_at": true,
	"updated_at": true, "status": true, "checksum": true, "size": true, "virtual_size": true, "id": true,
	"os_hash_algo": true, "os_hash_value": true, "location": true, "deleted": true, "deleted_at": true,
}

func isOfService(name string) bool { return ofService[name] || strings.HasPrefix(name, "os_glance") }

// withServices are configured properties and those that the service has set.
func withServices(wanted map[string]string, seen attributes) map[string]string {
	for name, value := range seen.pairs("properties") {
		if isOfService(name) {
			wanted[name] = value
		}
	}
	return wanted
}

// newImage is the request of a new image, with what this version of the library lacks.
type newImage struct {
	images.CreateOpts
	hidden bool
}

func (n newImage) ToImageCreateMap() (map[string]interface{}, error) {
	body, err := n.CreateOpts.ToImageCreateMap()
	if err == nil && n.hidden {
		body["os_hidden"] = true
	}
	return body, err
}

// replaced is a change of an image that this version of the library lacks.
type replaced struct {
	name  string
	value interface{}
}

func (r replaced) ToImagePatchMap() map[string]interface{} {
	return map[string]interface{}{"op": "replace", "path": "/" + r.name, "value": r.value}
}

func createImage(c *cloud, config attributes) (attributes, error) {
	protected, visibility := config.is("protected"), images.ImageVisibility(orPrivate(config.text("visibility")))
	wanted := images.CreateOpts{
		Name: config.text("name"), ContainerFormat: config.text("container_format"),
		DiskFormat: config.text("disk_format"), MinDisk: config.number("min_disk_gb"),
		MinRAM: config.number("min_ram_mb"), ID: config.text("image_id"), Protected: &protected,
		Visibility: &visibility, Properties: config.pairs("properties"),
	}
	if tags := config.texts("tags"); len(tags) > 0 {
		wanted.Tags = tags
	}
	made, err := images.Create(c.ServiceClient, newImage{wanted, config.is("hidden")}).Extract()
	if err != nil {
		return nil, err
	}
	// Terraform knows it from here on, whatever becomes of it.
	begun := plain(attributes{"id": made.ID, "image_id": made.ID})
	sum := ""
	if config.is("web_download") {
		url := config.text("image_source_url")
		err = imageimport.Create(c.ServiceClient, made.ID, imageimport.CreateOpts{
			Name: imageimport.WebDownloadMethod, URI: url,
		}).ExtractErr()
	} else {
		sum, err = upload(c, made.ID, config)
	}
	if err == nil {
		err = untilActive(c, made.ID)
	}
	if err != nil {
		return begun, err
	}
	image, err := images.Get(c.ServiceClient, made.ID).Extract()
	if err != nil {
		return begun, err
	}
	verifies, isSet := config["verify_checksum"].(bool)
	if sum != "" && (verifies || !isSet) && image.Checksum != sum {
		return begun, fmt.Errorf("the checksum is %q, that of the file %q", image.Checksum, sum)
	}
	return readImage(c, begun)
}

func orPrivate(visibility string) string {
	if visibility == "" {
		return "private"
	}
	return visibility
}

// upload sends the file of an image and returns its MD5.
func upload(c *cloud, id string, config attributes) (string, error) {
	path := config.text("local_file_path")
	if path == "" {
		var err error
		if path, err = downloaded(c, config); err != nil {
			return "", err
		}
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := md5.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), imagedata.Upload(c.ServiceClient, id, file).ExtractErr()
}

// downloaded is the path of the copy of image_source_url, which is kept for the next time.
func downloaded(c *cloud, config attributes) (string, error) {
	url, decompresses := config.text("image_source_url"), config.is("decompress")
	name := fmt.Sprintf("%x.img", md5.Sum([]byte(fmt.Sprint(url, decompresses))))
	path := filepath.Join(config.text("image_cache_path"), name)
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		return path, nil
	}
	answer, err := c.HTTPClient.Get(url)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", errors.New(answer.Status)
	}
	data := io.Reader(answer.Body)
	if decompresses {
		switch kind := answer.Header.Get("Content-Type"); kind {
		case "application/gzip", "application/x-gzip":
			data, err = gzip.NewReader(answer.Body)
		case "application/bzip2", "application/x-bzip2":
			data = bzip2.NewReader(answer.Body)
		default:
			err = fmt.Errorf("cannot decompress %q", kind)
		}
		if err != nil {
			return "", err
		}
	}
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	_, err = io.Copy(file, data)
	return path, err
}

// untilActive waits for the data of an image; any state but those on the way there is an error to the provider.
func untilActive(c *cloud, id string) error {
	for end := time.Now().Add(patience); ; {
		image, err := images.Get(c.ServiceClient, id).Extract()
		if err != nil {
			return err
		}
		switch image.Status {
		case images.ImageStatusActive:
			return nil
		case images.ImageStatusQueued, images.ImageStatusSaving, images.ImageStatusImporting:
		default:
			return fmt.Errorf("unexpected state %q", image.Status)
		}
		if time.Now().After(end) {
			return fmt.Errorf("still %q", image.Status)
		}
		c.calls.forgetLast()
		time.Sleep(pause)
	}
}

func readImage(c *cloud, seen attributes) (attributes, error) {
	answered := images.Get(c.ServiceClient, seen.text("id"))
	image, err := answered.Extract()
	if err != nil {
		return nil, orGone(err)
	}
	return plain(toldOf(image, hidden(answered.Body))), nil
}

// hidden is a member that this version of the library takes for a property.
func hidden(body interface{}) bool {
	members, _ := body.(map[string]interface{})
	return attributes(members).is("os_hidden")
}

func toldOf(image *images.Image, hidden bool) attributes {
	return attributes{
		"id": image.ID, "image_id": image.ID, "name": image.Name, "owner": image.Owner, "status": image.Status,
		"file": image.File, "schema": image.Schema, "checksum": image.Checksum, "size_bytes": image.SizeBytes,
		"created_at": image.CreatedAt.Format(time.RFC3339), "updated_at": image.UpdatedAt.Format(time.RFC3339),
		"container_format": image.ContainerFormat, "disk_format": image.DiskFormat,
		"min_disk_gb": image.MinDiskGigabytes, "min_ram_mb": image.MinRAMMegabytes, "protected": image.Protected,
		"hidden": hidden, "tags": image.Tags, "visibility": image.Visibility, "metadata": image.Metadata,
		"properties": onlyTexts(image.Properties),
	}
}

// updateImage changes an image in place; changes that the service does not see are an empty list.
func updateImage(c *cloud, config attributes, have entry, changed []string) (attributes, error) {
	differs := map[string]bool{}
	for _, name := range changed {
		differs[name] = true
	}
	changes := images.UpdateOpts{}
	add := func(name string, change images.Patch) {
		if differs[name] {
			changes = append(changes, change)
		}
	}
	visibility := images.ImageVisibility(orPrivate(config.text("visibility")))
	add("visibility", images.UpdateVisibility{Visibility: visibility})
	add("protected", replaced{"protected", config.is("protected")})
	add("hidden", replaced{"os_hidden", config.is("hidden")})
	add("min_disk_gb", images.ReplaceImageMinDisk{NewMinDisk: config.number("min_disk_gb")})
	add("min_ram_mb", images.ReplaceImageMinRam{NewMinRam: config.number("min_ram_mb")})
	add("name", images.ReplaceImageName{NewName: config.text("name")})
	add("tags", images.ReplaceImageTags{NewTags: config.texts("tags")})
	if differs["properties"] {
		changes = append(changes, propertyChanges(have.Seen, config)...)
	}
	if _, err := images.Update(c.ServiceClient, have.Seen.text("id"), changes).Extract(); err != nil {
		return nil, err
	}
	return readImage(c, have.Seen)
}

func propertyChanges(seen, config attributes) []images.Patch {
	old, wanted := seen.pairs("properties"), withServices(config.pairs("properties"), seen)
	changes := []images.Patch{}
	for _, name := range ordered(wanted) {
		before, exists := old[name]
		switch {
		case isOfService(name) || (exists && before == wanted[name]):
		case exists:
			changes = append(changes, images.UpdateImageProperty{Op: images.ReplaceOp, Name: name, Value: wanted[name]})
		default:
			changes = append(changes, images.UpdateImageProperty{Op: images.AddOp, Name: name, Value: wanted[name]})
		}
	}
	for _, name := range ordered(old) {
		if _, remains := wanted[name]; !remains {
			changes = append(changes, images.UpdateImageProperty{Op: images.RemoveOp, Name: name})
		}
	}
	return changes
}

func ordered(values map[string]string) []string {
	found := make([]string, 0, len(values))
	for name := range values {
		found = append(found, name)
	}
	sort.Strings(found)
	return found
}

func removeImage(c *cloud, seen attributes) error {
	return orGone(images.Delete(c.ServiceClient, seen.text("id")).ExtractErr())
}

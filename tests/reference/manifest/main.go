// manifest parses a Kubernetes CronJob as strictly as the API server, which refuses unknown and repeated fields, and prints the command of its container, its mounts and its user as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	batch "k8s.io/api/batch/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var job batch.CronJob
	if err := yaml.UnmarshalStrict(text, &job); err != nil {
		return err
	}
	if job.APIVersion != batch.SchemeGroupVersion.String() || job.Kind != "CronJob" {
		return fmt.Errorf("%s %s is not read here", job.APIVersion, job.Kind)
	}
	containers := job.Spec.JobTemplate.Spec.Template.Spec.Containers
	if len(containers) != 1 {
		return fmt.Errorf("%d containers", len(containers))
	}
	volumes := map[string]string{}
	for _, volume := range job.Spec.JobTemplate.Spec.Template.Spec.Volumes {
		volumes[volume.Name] = ""
		if volume.HostPath != nil {
			volumes[volume.Name] = volume.HostPath.Path
		}
	}
	mounts := map[string]string{}
	for _, mount := range containers[0].VolumeMounts {
		path, known := volumes[mount.Name]
		if !known {
			return fmt.Errorf("there is no volume %s", mount.Name)
		}
		mounts[mount.MountPath] = path
	}
	var user *int64
	if context := job.Spec.JobTemplate.Spec.Template.Spec.SecurityContext; context != nil {
		user = context.RunAsUser
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"user":     user,
		"schedule": job.Spec.Schedule,
		"args":     containers[0].Args,
		"mounts":   mounts,
	})
}

// manifests checks Kubernetes manifests as strictly as the API server, which refuses unknown and repeated fields, and the expressions of alerts as
// strictly as Prometheus. It reads YAML from standard input, or builds the kustomization in the named folder, and prints the kind of each object.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/prometheus/promql/parser"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(folders []string) error {
	input := io.Reader(os.Stdin)
	if len(folders) == 1 {
		built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folders[0])
		if err != nil {
			return err
		}
		text, err := built.AsYaml()
		if err != nil {
			return err
		}
		input = bytes.NewReader(text)
	}
	decoder, err := decoder()
	if err != nil {
		return err
	}
	documents := yaml.NewYAMLReader(bufio.NewReader(input))
	for count := 0; ; {
		text, err := documents.Read()
		if errors.Is(err, io.EOF) {
			if count == 0 {
				return errors.New("there is no object")
			}
			return nil
		}
		if err != nil {
			return err
		}
		if isEmpty(text) {
			continue
		}
		if err := check(decoder, text); err != nil {
			return fmt.Errorf("%w in:\n%s", err, text)
		}
		count++
	}
}

func decoder() (runtime.Decoder, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme, monitoringv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true}), nil
}

func check(decoder runtime.Decoder, text []byte) error {
	object, kind, err := decoder.Decode(text, nil, nil)
	if err != nil {
		return err
	}
	if rule, is := object.(*monitoringv1.PrometheusRule); is {
		if err := checkRules(rule); err != nil {
			return err
		}
	}
	if pod := podOf(object); pod != nil {
		if err := checkPod(pod); err != nil {
			return err
		}
	}
	fmt.Println(name(*kind))
	return nil
}

func name(kind schema.GroupVersionKind) string {
	if kind.Group == monitoring.GroupName {
		return "monitoring/" + kind.Kind
	}
	return kind.Kind
}

func checkRules(rule *monitoringv1.PrometheusRule) error {
	for _, group := range rule.Spec.Groups {
		for _, alert := range group.Rules {
			if _, err := parser.NewParser(parser.Options{}).ParseExpr(alert.Expr.String()); err != nil {
				return fmt.Errorf("alert %s: %w", alert.Alert, err)
			}
		}
	}
	return nil
}

func podOf(object runtime.Object) *corev1.PodSpec {
	switch object := object.(type) {
	case *batchv1.CronJob:
		return &object.Spec.JobTemplate.Spec.Template.Spec
	case *appsv1.Deployment:
		return &object.Spec.Template.Spec
	}
	return nil
}

// checkPod finds what the types allow and the API server refuses: a mount of a volume that is not there, and one without a source.
func checkPod(pod *corev1.PodSpec) error {
	volumes := map[string]bool{}
	for _, volume := range pod.Volumes {
		if volume.VolumeSource == (corev1.VolumeSource{}) {
			return fmt.Errorf("volume %s has no source", volume.Name)
		}
		volumes[volume.Name] = true
	}
	for _, container := range pod.Containers {
		for _, mount := range container.VolumeMounts {
			if !volumes[mount.Name] {
				return fmt.Errorf("there is no volume %s", mount.Name)
			}
		}
	}
	return nil
}

// isEmpty says whether a document has nothing but comments, as Helm leaves where a template yields nothing.
func isEmpty(text []byte) bool {
	for _, line := range bytes.Split(text, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) {
			return false
		}
	}
	return true
}

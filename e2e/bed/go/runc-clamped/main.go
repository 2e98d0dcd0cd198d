// Command runc-clamped runs runc with a container's demands lowered to what this machine can give. Where the bounding
// set lacks CAP_SYS_RESOURCE, runc fails on that capability (every privileged container asks for it), on an oom score
// below its own, and on resource limits above the hard ones; each is lowered, nothing else is touched.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

var resources = []string{
	"CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE",
	"MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
}

type object = map[string]any

func main() {
	for _, file := range specs(os.Args[1:]) {
		if err := clamp(file); err != nil {
			fmt.Fprintf(os.Stderr, "runc-clamped: %s: %v\n", file, err)
			os.Exit(1)
		}
	}
	runc, err := exec.LookPath("runc")
	if err == nil {
		err = syscall.Exec(runc, append([]string{"runc"}, os.Args[1:]...), os.Environ())
	}
	fmt.Fprintln(os.Stderr, "runc-clamped:", err)
	os.Exit(1)
}

// specs finds the files that describe a process: a bundle's config.json, and the process of an exec.
func specs(args []string) (files []string) {
	for i, arg := range args {
		flag, value, joined := strings.Cut(arg, "=")
		if !joined && i+1 < len(args) {
			value = args[i+1]
		}
		switch flag {
		case "--bundle", "-b":
			files = append(files, filepath.Join(value, "config.json"))
		case "--process", "-p":
			files = append(files, value)
		}
	}
	return files
}

func clamp(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // device numbers and limits do not survive a float
	var spec object
	if err := decoder.Decode(&spec); err != nil {
		return err
	}
	process, isBundle := spec["process"].(object)
	if !isBundle {
		process = spec
	}
	clampCapabilities(process)
	clampOomScore(process)
	clampLimits(process)
	if text, err = json.Marshal(spec); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

func clampCapabilities(process object) {
	sets, _ := process["capabilities"].(object)
	for name, set := range sets {
		if list, ok := set.([]any); ok {
			sets[name] = slices.DeleteFunc(list, func(c any) bool { return c == "CAP_SYS_RESOURCE" })
		}
	}
}

func clampOomScore(process object) {
	text, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return
	}
	own, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	asked, isNumber := process["oomScoreAdj"].(json.Number)
	if err != nil || !isNumber {
		return
	}
	if score, err := asked.Int64(); err == nil && score < own {
		process["oomScoreAdj"] = own
	}
}

func clampLimits(process object) {
	limits, _ := process["rlimits"].([]any)
	for _, entry := range limits {
		limit, _ := entry.(object)
		name, _ := limit["type"].(string)
		var own syscall.Rlimit
		number := slices.Index(resources, strings.TrimPrefix(name, "RLIMIT_"))
		if number < 0 || syscall.Getrlimit(number, &own) != nil {
			continue
		}
		for _, bound := range []string{"hard", "soft"} {
			asked, _ := limit[bound].(json.Number)
			if value, err := strconv.ParseUint(asked.String(), 10, 64); err == nil {
				limit[bound] = min(value, own.Max)
			}
		}
	}
}

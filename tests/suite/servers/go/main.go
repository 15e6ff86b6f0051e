// An SSH server by golang.org/x/crypto/ssh, for the suite. Prints its port, then serves until it is
// ended. What the arguments mean is said in support/makers.rs, which starts it.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"
)

type files []string

func (f *files) String() string     { return strings.Join(*f, ",") }
func (f *files) Set(s string) error { *f = append(*f, s); return nil }

var (
	hostKeys   files
	authorized = flag.String("authorized", "", "authorized_keys")
	password   = flag.String("password", "", "the password")
	keyboard   = flag.Bool("keyboard", false, "keyboard-interactive in place of password")
	rekey      = flag.Uint64("rekey", 0, "bytes between key exchanges")
)

var errRefused = errors.New("refused")

func lets(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	file, err := os.Open(*authorized)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		known, _, _, _, err := ssh.ParseAuthorizedKey(lines.Bytes())
		if err == nil && bytes.Equal(known.Marshal(), key.Marshal()) {
			return nil, nil
		}
	}
	return nil, errRefused
}

func settings() *ssh.ServerConfig {
	config := &ssh.ServerConfig{PublicKeyCallback: lets}
	config.RekeyThreshold = *rekey
	switch {
	case *keyboard:
		config.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("Two things", "Both are needed.", []string{"Password: ", "Code: "}, []bool{false, true})
			if err == nil && len(answers) == 2 && answers[0] == *password && answers[1] == "42" {
				return nil, nil
			}
			return nil, errRefused
		}
	case *password != "":
		config.PasswordCallback = func(_ ssh.ConnMetadata, typed []byte) (*ssh.Permissions, error) {
			if string(typed) == *password {
				return nil, nil
			}
			return nil, errRefused
		}
	}
	for _, path := range hostKeys {
		text, err := os.ReadFile(path)
		if err != nil {
			log.Fatal(err)
		}
		key, err := ssh.ParsePrivateKey(text)
		if err != nil {
			log.Fatal(err)
		}
		config.AddHostKey(key)
	}
	return config
}

func run(channel ssh.Channel, command string, environment []string) {
	child := exec.Command("sh", "-c", command)
	child.Env = append(os.Environ(), environment...)
	child.Stdout, child.Stderr = channel, channel.Stderr()
	stdin, err := child.StdinPipe()
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		io.Copy(stdin, channel)
		stdin.Close()
	}()
	err = child.Run()
	channel.CloseWrite()
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.Sys().(syscall.WaitStatus).Signaled() {
		channel.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Name    string
			Core    bool
			Message string
			Lang    string
		}{"KILL", false, "ended by a signal", ""}))
	} else {
		status := struct{ Status uint32 }{uint32(child.ProcessState.ExitCode())}
		channel.SendRequest("exit-status", false, ssh.Marshal(status))
	}
	channel.Close()
}

func session(open ssh.NewChannel) {
	channel, requests, err := open.Accept()
	if err != nil {
		return
	}
	var environment []string
	for request := range requests {
		switch request.Type {
		case "env":
			var pair struct{ Name, Value string }
			ssh.Unmarshal(request.Payload, &pair)
			allowed := strings.HasPrefix(pair.Name, "GIT_")
			if allowed {
				environment = append(environment, pair.Name+"="+pair.Value)
			}
			request.Reply(allowed, nil)
		case "exec":
			var command struct{ Line string }
			ssh.Unmarshal(request.Payload, &command)
			request.Reply(true, nil)
			go run(channel, command.Line, environment)
		case "shell":
			request.Reply(true, nil)
			go run(channel, "exec sh", environment)
		default:
			request.Reply(false, nil)
		}
	}
}

func serve(connection net.Conn, config *ssh.ServerConfig) {
	_, channels, requests, err := ssh.NewServerConn(connection, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for open := range channels {
		if open.ChannelType() != "session" {
			open.Reject(ssh.UnknownChannelType, "sessions only")
			continue
		}
		go session(open)
	}
}

func main() {
	flag.Var(&hostKeys, "host-key", "a host key's file")
	flag.Parse()
	config := settings()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(connection, config)
	}
}

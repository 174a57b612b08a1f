// messages_go GAME THREADS: the games of README.md with goroutines and channels. An actor is a
// goroutine and the channel from which it receives. Prints nanoseconds for each unit.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

const (
	playTime   = 500 * time.Millisecond
	pingPong   = 200000
	ringActors = 503
	ringHops   = 1000 * ringActors
	producers  = 100
	products   = 5000
	mailbox    = 1024
	bigActors  = 100
	bigPings   = 2000
	chain      = 100000
	million    = 1000000
)

// Ping-pong and the ring: a number counts the messages that are left.

func pass(in <-chan int, out chan<- int, done chan<- struct{}) {
	for left := range in {
		if left > 0 {
			out <- left - 1
		} else {
			done <- struct{}{}
		}
	}
}

func playRingOf(actors, hops int) {
	done := make(chan struct{})
	seats := make([]chan int, actors)
	for i := range seats {
		seats[i] = make(chan int)
	}
	for i := range seats {
		go pass(seats[i], seats[(i+1)%actors], done)
	}
	seats[0] <- hops - 1
	<-done
	for i := range seats {
		close(seats[i])
	}
}

func playPingPong() { playRingOf(2, pingPong) }
func playRing()     { playRingOf(ringActors, ringHops) }

func playFanIn() {
	numbers := make(chan int, mailbox)
	for i := 0; i < producers; i++ {
		go func() {
			for n := 0; n < products; n++ {
				numbers <- n
			}
		}()
	}
	for left := producers * products; left > 0; left-- {
		<-numbers
	}
}

// Big: a message brings the channel of who wants an answer; without one it is the answer. Nobody has
// more than one ping on its way, so no channel is ever full.

type letter struct{ from chan letter }

func nextRandom(random uint64) uint64 { return random * 48271 % 2147483647 }

func chat(number int, peers []chan letter, done *sync.WaitGroup) {
	in := peers[number]
	random := uint64(number + 1)
	left := bigPings
	for message := range in {
		if message.from != nil {
			message.from <- letter{}
		} else if left > 0 {
			left--
			random = nextRandom(random)
			peers[random%bigActors] <- letter{in}
		} else {
			done.Done()
		}
	}
}

func playBig() {
	var done sync.WaitGroup
	peers := make([]chan letter, bigActors)
	for i := range peers {
		peers[i] = make(chan letter, bigActors+1)
	}
	done.Add(bigActors)
	for i := range peers {
		go chat(i, peers, &done)
	}
	for i := range peers {
		peers[i] <- letter{}
	}
	done.Wait()
	for i := range peers {
		close(peers[i])
	}
}

func liveShortly(in <-chan int, done chan<- struct{}) {
	left := <-in
	if left == 0 {
		done <- struct{}{}
		return
	}
	next := make(chan int, 1)
	go liveShortly(next, done)
	next <- left - 1
}

func playSpawn() {
	done := make(chan struct{})
	first := make(chan int, 1)
	go liveShortly(first, done)
	first <- chain - 1
	<-done
}

func playMillion() {
	var done sync.WaitGroup
	done.Add(million)
	actors := make([]chan int, million)
	for i := range actors {
		in := make(chan int, 1)
		actors[i] = in
		go func() {
			<-in
			done.Done()
		}()
	}
	for i := range actors {
		actors[i] <- i
	}
	done.Wait()
}

type game struct {
	units    int
	play     func()
	isSingle bool
}

var games = map[string]game{
	"ping-pong": {pingPong, playPingPong, false},
	"ring":      {ringHops, playRing, false},
	"fan-in":    {producers * products, playFanIn, false},
	"big":       {2 * bigActors * bigPings, playBig, false},
	"spawn":     {chain, playSpawn, false},
	"million":   {million, playMillion, true},
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: messages_go GAME THREADS")
		os.Exit(2)
	}
	game, known := games[os.Args[1]]
	threads, err := strconv.Atoi(os.Args[2])
	if !known || err != nil {
		fmt.Fprintln(os.Stderr, "messages_go: no such game")
		os.Exit(2)
	}
	runtime.GOMAXPROCS(threads)
	if !game.isSingle {
		game.play()
	}
	units := 0
	start := time.Now()
	for {
		game.play()
		units += game.units
		if game.isSingle || time.Since(start) >= playTime {
			break
		}
	}
	fmt.Printf("%.2f\n", float64(time.Since(start).Nanoseconds())/float64(units))
}

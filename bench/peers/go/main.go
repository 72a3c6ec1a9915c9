// The benches of kioto-bench, for Go: go-bench LABEL ct|mtN BENCH [PORT]. ct: GOMAXPROCS 1.
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var label string

func report(bench, metric string, value float64, unit string) {
	fmt.Printf("%s %s %s %.6f %s\n", label, bench, metric, value, unit)
}

func ns(bench, metric string, start time.Time, n int) {
	report(bench, metric, float64(time.Since(start).Nanoseconds())/float64(n), "ns")
}

func scale(usual int) int {
	if n, err := strconv.Atoi(os.Getenv("KIOTO_BENCH_N")); err == nil && n > 0 {
		return n
	}
	return usual
}

func usage() (cpu float64, peak float64) {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6, float64(u.Maxrss) / 1024
}

func resident() float64 {
	text, _ := os.ReadFile("/proc/self/statm")
	pages, _ := strconv.Atoi(strings.Fields(string(text))[1])
	return float64(pages) * 4096
}

func next(rand *uint64) uint64 {
	*rand = *rand*6364136223846793005 + 1442695040888963407
	return *rand >> 33
}

func spawnJoin() {
	n := scale(1000000)
	start := time.Now()
	for i := 0; i < n/1000; i++ {
		var wg sync.WaitGroup
		wg.Add(1000)
		for j := 0; j < 1000; j++ {
			go wg.Done()
		}
		wg.Wait()
	}
	ns("spawn_join", "per_task", start, n)
}

func yields() {
	start := time.Now()
	var wg sync.WaitGroup
	wg.Add(1000)
	for i := 0; i < 1000; i++ {
		go func() {
			for k := 0; k < 1000; k++ {
				runtime.Gosched()
			}
			wg.Done()
		}()
	}
	wg.Wait()
	ns("yield", "per_yield", start, 1000000)
}

func pingPong() {
	n := scale(1000000)
	a, b := make(chan uint64, 1), make(chan uint64, 1)
	go func() {
		for v := range a {
			b <- v
		}
	}()
	start := time.Now()
	for i := 0; i < n; i++ {
		a <- uint64(i)
		<-b
	}
	ns("ping_pong", "round_trip", start, n)
}

func mpsc(producers, cap int) {
	n := scale(2000000)
	c := make(chan uint64, cap)
	var wg sync.WaitGroup
	wg.Add(producers)
	start := time.Now()
	for p := 0; p < producers; p++ {
		go func() {
			for i := 0; i < n/producers; i++ {
				c <- uint64(i)
			}
			wg.Done()
		}()
	}
	go func() { wg.Wait(); close(c) }()
	got := 0
	for range c {
		got++
	}
	ns(fmt.Sprintf("mpsc_p%d_c%d", producers, cap), "per_msg", start, got)
}

type request struct {
	value uint64
	reply chan uint64
}

func oneshot() {
	n := scale(1000000)
	c := make(chan request, 32)
	go func() {
		for r := range c {
			r.reply <- r.value
		}
	}()
	start := time.Now()
	for i := 0; i < n; i++ {
		reply := make(chan uint64, 1)
		c <- request{uint64(i), reply}
		<-reply
	}
	ns("oneshot_reqresp", "per_request", start, n)
	start = time.Now()
	for i := 0; i < n; i++ {
		reply := make(chan uint64, 1)
		reply <- uint64(i)
		<-reply
	}
	ns("oneshot_local", "per_op", start, n)
}

func select2() {
	n := scale(1000000)
	a, b := make(chan uint64, 32), make(chan uint64, 32)
	for _, c := range []chan uint64{a, b} {
		c := c
		go func() {
			for i := 0; i < n/2; i++ {
				c <- uint64(i)
			}
		}()
	}
	start := time.Now()
	for got := 0; got < n; got++ {
		select {
		case <-a:
		case <-b:
		}
	}
	ns("select2", "per_select", start, n)
}

func timers() {
	n := scale(1000000)
	rand := uint64(42)
	start := time.Now()
	cpu, _ := usage()
	var wg sync.WaitGroup
	wg.Add(n)
	for i := 0; i < n; i++ {
		d := time.Duration(next(&rand)%1000) * time.Millisecond
		go func() { time.Sleep(d); wg.Done() }()
	}
	wg.Wait()
	after, peak := usage()
	report("timers_1M", "wall", time.Since(start).Seconds(), "s")
	report("timers_1M", "cpu", after-cpu, "s")
	report("timers_1M", "peak_rss", peak, "MiB")
}

func timerCancel() {
	n := scale(1000000)
	rand := uint64(1)
	live := make([]*time.Timer, 1000)
	start := time.Now()
	for i := 0; i < n; i++ {
		if live[i%1000] != nil {
			live[i%1000].Stop()
		}
		live[i%1000] = time.NewTimer(time.Duration(1+next(&rand)%60) * time.Second)
	}
	ns("timer_cancel", "per_timer", start, n)
}

func memSleep() {
	n := scale(1000000)
	before := resident()
	for i := 0; i < n; i++ {
		go time.Sleep(600 * time.Second)
	}
	time.Sleep(300 * time.Millisecond)
	report("mem_sleep", "per_task", (resident()-before)/float64(n), "B")
}

func memPending() {
	n := scale(1000000)
	before := resident()
	for i := 0; i < n; i++ {
		go func() { select {} }()
	}
	time.Sleep(300 * time.Millisecond)
	report("mem_pending", "per_task", (resident()-before)/float64(n), "B")
}

func parallel() {
	n := scale(100000)
	start := time.Now()
	var sink uint64
	for i := 0; i < n/1000; i++ {
		var wg sync.WaitGroup
		wg.Add(1000)
		for j := 0; j < 1000; j++ {
			x := uint64(j) | 1
			go func() {
				for k := 0; k < 5000; k++ {
					x ^= x >> 13
					x *= 0x9e3779b97f4a7c15
				}
				atomic.AddUint64(&sink, x)
				wg.Done()
			}()
		}
		wg.Wait()
	}
	ns("parallel", "per_task", start, n)
}

func latency() {
	var stop int32
	c := make(chan time.Time, 1)
	done := make(chan []float64)
	go func() {
		samples := make([]float64, 0, 100000)
		for sent := range c {
			samples = append(samples, time.Since(sent).Seconds())
		}
		done <- samples
	}()
	for i := 0; i < 20; i++ {
		go func() {
			x := uint64(1)
			for atomic.LoadInt32(&stop) == 0 {
				for k := 0; k < 1000; k++ {
					x = (x ^ x>>13) * 0x9e3779b97f4a7c15
				}
				runtime.Gosched()
			}
		}()
	}
	for i := 0; i < 100000; i++ {
		c <- time.Now()
		runtime.Gosched()
	}
	atomic.StoreInt32(&stop, 1)
	close(c)
	samples := <-done
	sort.Float64s(samples)
	report("latency", "p50", samples[50000]*1e6, "us")
	report("latency", "p99", samples[99000]*1e6, "us")
	report("latency", "p99.9", samples[99900]*1e6, "us")
}

var seenAt int64 // ns after zero; 0: not yet

func blocked() {
	zero := time.Now()
	for i, name := range []string{"blocked_lifo", "blocked_queue1", "blocked_queue3"} {
		samples := make([]float64, 100)
		for k := range samples {
			time.Sleep(2 * time.Millisecond)
			atomic.StoreInt64(&seenAt, 0)
			var wg sync.WaitGroup
			start := int64(time.Since(zero))
			for t := 0; t < 1<<i; t++ {
				wg.Add(1)
				go func() {
					atomic.CompareAndSwapInt64(&seenAt, 0, int64(time.Since(zero)))
					wg.Done()
				}()
			}
			for atomic.LoadInt64(&seenAt) == 0 {
			} // computes and never waits
			samples[k] = float64(atomic.LoadInt64(&seenAt)-start) / 1e9
			wg.Wait()
		}
		sort.Float64s(samples)
		report(name, "p50", samples[50]*1e6, "us")
		report(name, "p99", samples[99]*1e6, "us")
	}
}

func memNotify() {
	n := scale(1000000)
	before := resident()
	var mu sync.Mutex
	cond := sync.NewCond(&mu)
	for i := 0; i < n; i++ {
		go func() {
			mu.Lock()
			cond.Wait()
		}()
	}
	time.Sleep(300 * time.Millisecond)
	report("mem_notify", "per_task", (resident()-before)/float64(n), "B")
}

func compute(x uint64) uint64 {
	for k := 0; k < 100; k++ {
		x = (x ^ x>>13) * 0x9e3779b97f4a7c15
	}
	return x
}

func mix() {
	each := scale(256000) / 64
	start := time.Now()
	all := make([]float64, 64*each)
	var wg sync.WaitGroup
	wg.Add(64)
	for c := 0; c < 64; c++ {
		samples := all[c*each : (c+1)*each]
		go func() {
			limit := time.NewTimer(time.Hour)
			for i := 0; i < each; i++ {
				sent := time.Now()
				reply := make(chan uint64, 1)
				go func(x uint64) {
					x = compute(x)
					runtime.Gosched()
					reply <- compute(x)
				}(uint64(i) | 1)
				if !limit.Stop() {
					select {
					case <-limit.C:
					default:
					}
				}
				limit.Reset(time.Second)
				select {
				case <-reply:
				case <-limit.C:
				}
				samples[i] = time.Since(sent).Seconds()
				if i%16 == 15 {
					time.Sleep(time.Millisecond)
				}
			}
			wg.Done()
		}()
	}
	wg.Wait()
	report("mix", "requests", float64(64*each)/time.Since(start).Seconds(), "1/s")
	sort.Float64s(all)
	report("mix", "p50", all[len(all)/2]*1e6, "us")
	report("mix", "p99", all[len(all)/100*99]*1e6, "us")
	report("mix", "p99.9", all[len(all)/1000*999]*1e6, "us")
}

func serve(port string, handle func(net.Conn)) {
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		panic(err)
	}
	fmt.Println("listening on", l.Addr().(*net.TCPAddr).Port)
	for {
		conn, err := l.Accept()
		if err == nil {
			go handle(conn)
		}
	}
}

func echo(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err = conn.Write(buf[:n]); err != nil {
			return
		}
	}
}

func hello(conn net.Conn) {
	defer conn.Close()
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\nConnection: keep-alive\r\n\r\nHello, World!")
	buf := make([]byte, 4096)
	have := 0
	for {
		n, err := conn.Read(buf[have:])
		if err != nil {
			return
		}
		have += n
		if strings.HasSuffix(string(buf[:have]), "\r\n\r\n") {
			have = 0
			if _, err = conn.Write(answer); err != nil {
				return
			}
		}
	}
}

func main() {
	if len(os.Args) == 2 {
		fmt.Println("spawn_join yield ping_pong mpsc oneshot select timers timer_cancel mem_sleep mem_notify mem_pending parallel blocked latency mix echo http")
		return
	}
	label = os.Args[1] + "/" + os.Args[2]
	workers := 1
	if os.Args[2] != "ct" {
		workers, _ = strconv.Atoi(os.Args[2][2:])
	}
	runtime.GOMAXPROCS(workers)
	port := "0"
	if len(os.Args) > 4 {
		port = os.Args[4]
	}
	switch os.Args[3] {
	case "spawn_join":
		spawnJoin()
	case "yield":
		yields()
	case "ping_pong":
		pingPong()
	case "mpsc":
		mpsc(1, 32)
		mpsc(1, 1024)
		mpsc(8, 32)
		mpsc(8, 1024)
	case "oneshot":
		oneshot()
	case "select":
		select2()
	case "timers":
		timers()
	case "timer_cancel":
		timerCancel()
	case "mem_sleep":
		memSleep()
	case "mem_pending":
		memPending()
	case "parallel":
		parallel()
	case "mem_notify":
		memNotify()
	case "mix":
		mix()
	case "blocked":
		if workers > 1 {
			blocked()
		}
	case "latency":
		latency()
	case "echo":
		serve(port, echo)
	case "http":
		serve(port, hello)
	default:
		panic("no such bench")
	}
}

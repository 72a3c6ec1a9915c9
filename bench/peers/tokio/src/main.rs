// The benches of kioto-bench, for Tokio: tokio-bench LABEL ct|mtN BENCH [PORT].
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{spawn, spawn_blocking, yield_now, JoinHandle};
use tokio::time::sleep;

struct Out(String);

impl Out {
    fn report(&self, bench: &str, metric: &str, value: f64, unit: &str) {
        println!("{} {} {} {:.6} {}", self.0, bench, metric, value, unit);
    }
    fn ns(&self, bench: &str, metric: &str, start: Instant, n: u64) {
        self.report(bench, metric, start.elapsed().as_secs_f64() / n as f64 * 1e9, "ns");
    }
}

fn cpu_seconds() -> f64 {
    let mut u: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut u) };
    (u.ru_utime.tv_sec + u.ru_stime.tv_sec) as f64
        + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) as f64 / 1e6
}

fn peak_mib() -> f64 {
    let mut u: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut u) };
    u.ru_maxrss as f64 / 1024.0
}

fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
}

fn next(rand: &mut u64) -> u64 {
    *rand = rand.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    *rand >> 33
}

fn scale(usual: u64) -> u64 {
    std::env::var("KIOTO_BENCH_N").ok().and_then(|t| t.parse().ok()).unwrap_or(usual)
}

async fn spawn_join(out: &Out) {
    let n = scale(1_000_000);
    let start = Instant::now();
    let mut handles: Vec<JoinHandle<u64>> = Vec::with_capacity(1000);
    for _ in 0..n / 1000 {
        for i in 0..1000u64 {
            handles.push(spawn(async move { i + 1 }));
        }
        for h in handles.drain(..) {
            h.await.unwrap();
        }
    }
    out.ns("spawn_join", "per_task", start, n);
}

async fn yields(out: &Out) {
    let start = Instant::now();
    let handles: Vec<_> = (0..1000)
        .map(|_| spawn(async { for _ in 0..1000 { yield_now().await } }))
        .collect();
    for h in handles {
        h.await.unwrap();
    }
    out.ns("yield", "per_yield", start, 1_000_000);
}

async fn ping_pong(out: &Out) {
    let n = scale(1_000_000);
    let (tx, mut rx2) = mpsc::channel::<u64>(1);
    let (tx2, mut rx) = mpsc::channel::<u64>(1);
    spawn(async move {
        while let Some(v) = rx2.recv().await {
            if tx2.send(v).await.is_err() {
                break;
            }
        }
    });
    let start = Instant::now();
    for i in 0..n {
        tx.send(i).await.unwrap();
        rx.recv().await.unwrap();
    }
    out.ns("ping_pong", "round_trip", start, n);
}

async fn mpsc_one(out: &Out, producers: u64, cap: usize) {
    let n = scale(2_000_000);
    let (tx, mut rx) = mpsc::channel::<u64>(cap);
    let start = Instant::now();
    for _ in 0..producers {
        let tx = tx.clone();
        spawn(async move {
            for i in 0..n / producers {
                tx.send(i).await.unwrap();
            }
        });
    }
    drop(tx);
    let mut got = 0;
    while rx.recv().await.is_some() {
        got += 1;
    }
    out.ns(&format!("mpsc_p{producers}_c{cap}"), "per_msg", start, got);
}

async fn oneshots(out: &Out) {
    let n = scale(1_000_000);
    let (tx, mut rx) = mpsc::channel::<(u64, oneshot::Sender<u64>)>(32);
    spawn(async move {
        while let Some((v, reply)) = rx.recv().await {
            let _ = reply.send(v);
        }
    });
    let start = Instant::now();
    for i in 0..n {
        let (rtx, rrx) = oneshot::channel();
        tx.send((i, rtx)).await.ok().unwrap();
        rrx.await.unwrap();
    }
    out.ns("oneshot_reqresp", "per_request", start, n);
    let start = Instant::now();
    for i in 0..n {
        let (rtx, rrx) = oneshot::channel();
        rtx.send(i).unwrap();
        rrx.await.unwrap();
    }
    out.ns("oneshot_local", "per_op", start, n);
}

async fn select2(out: &Out) {
    let n = scale(1_000_000);
    let (ta, mut a) = mpsc::channel::<u64>(32);
    let (tb, mut b) = mpsc::channel::<u64>(32);
    for tx in [ta, tb] {
        spawn(async move {
            for i in 0..n / 2 {
                tx.send(i).await.unwrap();
            }
        });
    }
    let start = Instant::now();
    let mut got = 0;
    while got < n {
        tokio::select! {
            Some(_) = a.recv() => got += 1,
            Some(_) = b.recv() => got += 1,
            else => break,
        }
    }
    out.ns("select2", "per_select", start, n);
}

async fn join_all(out: &Out) {
    let rounds = scale(2000);
    let start = Instant::now();
    for _ in 0..rounds {
        futures::future::join_all((0..1000).map(|i| async move { i })).await;
    }
    out.ns("join_all_ready", "per_future", start, rounds * 1000);
    let start = Instant::now();
    for _ in 0..200 {
        futures::future::join_all((0..1000).map(|_| sleep(Duration::from_millis(1)))).await;
    }
    out.report("join_all_sleep1ms", "per_round", start.elapsed().as_secs_f64() / 200.0 * 1e6, "us");
}

async fn timers(out: &Out) {
    let n = scale(1_000_000);
    let mut rand = 42u64;
    let start = Instant::now();
    let cpu = cpu_seconds();
    let handles: Vec<_> = (0..n)
        .map(|_| {
            let d = Duration::from_millis(next(&mut rand) % 1000);
            spawn(async move { sleep(d).await })
        })
        .collect();
    for h in handles {
        h.await.unwrap();
    }
    out.report("timers_1M", "wall", start.elapsed().as_secs_f64(), "s");
    out.report("timers_1M", "cpu", cpu_seconds() - cpu, "s");
    out.report("timers_1M", "peak_rss", peak_mib(), "MiB");
}

async fn timer_cancel(out: &Out) {
    let n = scale(1_000_000);
    let mut rand = 1u64;
    let mut live: Vec<Option<std::pin::Pin<Box<tokio::time::Sleep>>>> = (0..1000).map(|_| None).collect();
    let start = Instant::now();
    for i in 0..n {
        let d = Duration::from_secs(1 + next(&mut rand) % 60);
        let mut s = Box::pin(sleep(d));
        std::future::poll_fn(|cx| {
            let _ = s.as_mut().poll(cx);
            std::task::Poll::Ready(())
        })
        .await;
        live[(i % 1000) as usize] = Some(s);
    }
    out.ns("timer_cancel", "per_timer", start, n);
}

async fn mem_sleep(out: &Out) {
    let n = scale(1_000_000);
    let before = resident();
    for i in 0..n {
        spawn(async { sleep(Duration::from_secs(600)).await });
        if i % 1000 == 0 {
            yield_now().await;
        }
    }
    sleep(Duration::from_millis(100)).await;
    out.report("mem_sleep", "per_task", (resident() - before) / n as f64, "B");
}

async fn mem_pending(out: &Out) {
    let n = scale(1_000_000);
    let before = resident();
    for i in 0..n {
        spawn(std::future::pending::<()>());
        if i % 1000 == 0 {
            yield_now().await;
        }
    }
    yield_now().await;
    out.report("mem_pending", "per_task", (resident() - before) / n as f64, "B");
}

async fn blocking(out: &Out) {
    let n = scale(100_000);
    let start = Instant::now();
    for _ in 0..n / 1000 {
        let handles: Vec<_> = (0..1000).map(|_| spawn_blocking(|| ())).collect();
        for h in handles {
            h.await.unwrap();
        }
    }
    out.ns("spawn_blocking_batch", "per_job", start, n);
    let start = Instant::now();
    for _ in 0..20000 {
        spawn_blocking(|| ()).await.unwrap();
    }
    out.ns("spawn_blocking_seq", "per_job", start, 20000);
}

async fn parallel(out: &Out) {
    let n = scale(100_000);
    let start = Instant::now();
    for _ in 0..n / 1000 {
        let handles: Vec<_> = (0..1000u64)
            .map(|i| {
                spawn(async move {
                    let mut x = i | 1;
                    for _ in 0..5000 {
                        x ^= x >> 13;
                        x = x.wrapping_mul(0x9e3779b97f4a7c15);
                    }
                    x
                })
            })
            .collect();
        for h in handles {
            std::hint::black_box(h.await.unwrap());
        }
    }
    out.ns("parallel", "per_task", start, n);
}

async fn latency(out: &Out) {
    use std::sync::atomic::{AtomicBool, Ordering};
    let stop = std::sync::Arc::new(AtomicBool::new(false));
    let (tx, mut rx) = mpsc::channel::<Instant>(1);
    let receiver = spawn(async move {
        let mut samples = Vec::with_capacity(100_000);
        while let Some(sent) = rx.recv().await {
            samples.push(sent.elapsed().as_secs_f64());
        }
        samples
    });
    let load: Vec<_> = (0..20)
        .map(|_| {
            let stop = stop.clone();
            spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let mut x = 1u64;
                    for _ in 0..1000 {
                        x = (x ^ (x >> 13)).wrapping_mul(0x9e3779b97f4a7c15);
                    }
                    std::hint::black_box(x);
                    yield_now().await;
                }
            })
        })
        .collect();
    for _ in 0..100_000 {
        tx.send(Instant::now()).await.unwrap();
        yield_now().await;
    }
    stop.store(true, Ordering::Relaxed);
    drop(tx);
    let mut samples = receiver.await.unwrap();
    for h in load {
        h.await.unwrap();
    }
    samples.sort_by(|a, b| a.partial_cmp(b).unwrap());
    for (name, at) in [("p50", 50_000), ("p99", 99_000), ("p99.9", 99_900)] {
        out.report("latency", name, samples[at] * 1e6, "us");
    }
}

async fn mem_notify(out: &Out) {
    let n = scale(1_000_000);
    let notify = std::sync::Arc::new(tokio::sync::Notify::new());
    let before = resident();
    for i in 0..n {
        let notify = notify.clone();
        spawn(async move { notify.notified().await });
        if i % 1000 == 0 {
            yield_now().await;
        }
    }
    yield_now().await;
    out.report("mem_notify", "per_task", (resident() - before) / n as f64, "B");
}

fn percentiles(out: &Out, bench: &str, mut samples: Vec<f64>) {
    samples.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let n = samples.len();
    for (name, at) in [("p50", n / 2), ("p99", n / 100 * 99), ("p99.9", n / 1000 * 999)] {
        out.report(bench, name, samples[at] * 1e6, "us");
    }
}

// As bench/threads.c, without blocked_lifo: nobody takes the slot of a worker that is in a poll.
async fn blocked(out: &Out) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static SEEN_AT: AtomicU64 = AtomicU64::new(0); // ns after `zero`; 0: not yet
    let zero = Instant::now();
    for (name, tasks) in [("blocked_queue1", 2), ("blocked_queue3", 4)] {
        let mut samples = Vec::with_capacity(100);
        for _ in 0..100 {
            sleep(Duration::from_millis(2)).await;
            SEEN_AT.store(0, Ordering::Release);
            let start = zero.elapsed().as_nanos() as u64;
            let handles: Vec<_> = (0..tasks)
                .map(|_| {
                    spawn(async move {
                        if SEEN_AT.load(Ordering::Acquire) == 0 {
                            SEEN_AT.store(zero.elapsed().as_nanos() as u64, Ordering::Release);
                        }
                    })
                })
                .collect();
            while SEEN_AT.load(Ordering::Acquire) == 0 {} // a poll that computes and never waits
            samples.push((SEEN_AT.load(Ordering::Acquire) - start) as f64 / 1e9);
            for h in handles {
                h.await.unwrap();
            }
        }
        samples.sort_by(|a, b| a.partial_cmp(b).unwrap());
        out.report(name, "p50", samples[50] * 1e6, "us");
        out.report(name, "p99", samples[99] * 1e6, "us");
    }
}

fn compute(mut x: u64) -> u64 {
    for _ in 0..100 {
        x = (x ^ (x >> 13)).wrapping_mul(0x9e3779b97f4a7c15);
    }
    std::hint::black_box(x)
}

async fn mix(out: &Out) {
    let each = scale(256_000) / 64;
    let start = Instant::now();
    let clients: Vec<_> = (0..64)
        .map(|_| {
            spawn(async move {
                let mut samples = Vec::with_capacity(each as usize);
                for i in 0..each {
                    let sent = Instant::now();
                    let (reply, rx) = oneshot::channel();
                    spawn(async move {
                        let x = compute(i | 1);
                        yield_now().await;
                        let _ = reply.send(compute(x));
                    });
                    let _ = tokio::time::timeout(Duration::from_secs(1), rx).await;
                    samples.push(sent.elapsed().as_secs_f64());
                    if i % 16 == 15 {
                        sleep(Duration::from_millis(1)).await;
                    }
                }
                samples
            })
        })
        .collect();
    let mut all = Vec::new();
    for c in clients {
        all.extend(c.await.unwrap());
    }
    out.report("mix", "requests", all.len() as f64 / start.elapsed().as_secs_f64(), "1/s");
    percentiles(out, "mix", all);
}

async fn sweep(out: &Out) {
    let n = scale(1_000_000);
    let start = Instant::now();
    let handles: Vec<_> = (0..n).map(|_| spawn(async {})).collect();
    for h in handles {
        h.await.unwrap();
    }
    out.ns("sweep_spawn", "per_item", start, n);
    let cpu = cpu_seconds();
    let handles: Vec<_> = (0..n)
        .map(|i| spawn(async move { sleep(Duration::from_millis(i * 7919 % 1000 + 1)).await }))
        .collect();
    for h in handles {
        h.await.unwrap();
    }
    out.report("sweep_sleep", "per_item", (cpu_seconds() - cpu) / n as f64 * 1e9, "ns");
    let start = Instant::now();
    futures::future::join_all((0..n).map(|_| yield_now())).await;
    out.ns("sweep_join_all", "per_item", start, n);
    let (tx, mut rx) = mpsc::unbounded_channel::<u64>();
    let start = Instant::now();
    for i in 0..n {
        tx.send(i).unwrap();
    }
    drop(tx);
    while rx.recv().await.is_some() {}
    out.ns("sweep_mpsc", "per_item", start, n);
}

async fn echo(port: &str) {
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.unwrap();
    println!("listening on {}", listener.local_addr().unwrap().port());
    loop {
        let (mut conn, _) = listener.accept().await.unwrap();
        conn.set_nodelay(true).unwrap();
        spawn(async move {
            let mut buf = [0u8; 1024];
            loop {
                match conn.read(&mut buf).await {
                    Ok(n) if n > 0 => {
                        if conn.write_all(&buf[..n]).await.is_err() {
                            return;
                        }
                    }
                    _ => return,
                }
            }
        });
    }
}

// A fixed keep-alive hello: a request ends with an empty line.
async fn http(port: &str) {
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.unwrap();
    println!("listening on {}", listener.local_addr().unwrap().port());
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\nConnection: keep-alive\r\n\r\nHello, World!";
    loop {
        let (mut conn, _) = listener.accept().await.unwrap();
        conn.set_nodelay(true).unwrap();
        spawn(async move {
            let mut buf = [0u8; 4096];
            let mut have = 0;
            loop {
                match conn.read(&mut buf[have..]).await {
                    Ok(n) if n > 0 => have += n,
                    _ => return,
                }
                if buf[..have].ends_with(b"\r\n\r\n") {
                    have = 0;
                    if conn.write_all(ANSWER).await.is_err() {
                        return;
                    }
                }
            }
        });
    }
}

async fn run(out: Out, bench: String, port: String) {
    match bench.as_str() {
        "spawn_join" => spawn_join(&out).await,
        "yield" => yields(&out).await,
        "ping_pong" => ping_pong(&out).await,
        "mpsc" => {
            for (p, c) in [(1, 32), (1, 1024), (8, 32), (8, 1024)] {
                mpsc_one(&out, p, c).await
            }
        }
        "oneshot" => oneshots(&out).await,
        "select" => select2(&out).await,
        "join_all" => join_all(&out).await,
        "timers" => timers(&out).await,
        "timer_cancel" => timer_cancel(&out).await,
        "mem_sleep" => mem_sleep(&out).await,
        "mem_pending" => mem_pending(&out).await,
        "blocking" => blocking(&out).await,
        "parallel" => parallel(&out).await,
        "mem_notify" => mem_notify(&out).await,
        "mix" => mix(&out).await,
        "sweep" => sweep(&out).await,
        "blocked" if !out.0.ends_with("/ct") => blocked(&out).await, // needs a second worker
        "blocked" => {}
        "latency" => latency(&out).await,
        "echo" => echo(&port).await,
        "http" => http(&port).await,
        _ => panic!("no such bench"),
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args.len() == 2 && args[1] == "list" {
        println!("spawn_join yield ping_pong mpsc oneshot select join_all timers timer_cancel mem_sleep mem_notify mem_pending blocking parallel blocked latency mix sweep echo http");
        return;
    }
    let (label, flavor, bench) = (&args[1], &args[2], args[3].clone());
    let port = args.get(4).cloned().unwrap_or_else(|| "0".into());
    let out = Out(format!("{label}/{flavor}"));
    if flavor == "ct" {
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // As a task, not as block_on's own future, which is polled by other means.
        rt.block_on(async move { spawn(run(out, bench, port)).await.unwrap() });
    } else {
        let workers: usize = flavor[2..].parse().unwrap();
        let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap();
        rt.block_on(async move { spawn(run(out, bench, port)).await.unwrap() });
    }
    std::process::exit(0);
}

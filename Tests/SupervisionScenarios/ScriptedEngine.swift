import EngineAPI
import Glibc
import Supervision
import Synchronization

/// An engine without a model: the next token is a function of all tokens before it, as a model's is.
package final class ScriptedEngine: TokenEngine {
  /// What goes wrong, and how fast all else goes.
  package struct Script: Sendable {
    package var stepMilliseconds = 0
    /// Counted over all requests of this process.
    package var crashAfter: Int?
    package var stopAfter: Int?
    package var hangAfter: Int?
    package var damageAfter: Int?
    /// So many milliseconds after the first token at most.
    package var killWithin: Int?
    /// From so many on it draws no more, until it is ended.
    package var restAfter: Int?
    /// A request with this token in its prompt ends the process when it has this many tokens.
    package var poison: (token: Int32, at: Int)?
    package var isNoisy = false
    package init() {}
  }

  private struct Running {
    var request: TokenRequest
    var hasStarted = false
    let onEvent: @Sendable (TokenEvent) -> Void
  }

  private struct Core {
    var running: [RequestID: Running] = [:]
    var isStopping = false
    var hasStopped = false
    var sampled = 0
    var finished = 0
    var rebalances = 0
  }

  private let script: Script
  private let core = Mutex(Core())

  package init(_ script: Script) { self.script = script }

  package static func next(after tokens: [Int32]) -> Int32 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for token in tokens { hash = (hash ^ UInt64(UInt32(bitPattern: token))) &* 0x100_0000_01b3 }
    return Int32(hash >> 40 & 0xffff)
  }

  /// What an undisturbed engine answers.
  package static func answer(to request: TokenRequest) -> [Int32] {
    var tokens: [Int32] = request.sampled
    while tokens.count < request.maxNewTokens {
      tokens.append(next(after: request.prompt + tokens))
      if request.stopTokens.contains(tokens.last!) { break }
    }
    return tokens
  }

  /// Times it was asked to have experts change places.
  package var rebalances: Int { core.withLock { $0.rebalances } }
  package func rebalance() { core.withLock { $0.rebalances += 1 } }

  package var state: EngineState { core.withLock { $0.hasStopped ? .stopped : .ready } }

  package var facts: EngineFacts? {
    var facts = EngineFacts()
    (facts.family, facts.rankCount) = ("scripted", 1)
    return facts
  }

  package var status: ClusterStatus {
    var status = ClusterStatus()
    var rank = ClusterStatus.RankStatus()
    rank.host = "n1"
    status.ranks = [rank]
    status.requestsFinished = core.withLock { $0.finished }
    return status
  }

  package func submit(_ request: TokenRequest, onEvent: @escaping @Sendable (TokenEvent) -> Void) {
    let isOver = core.withLock { core in
      if !core.hasStopped { core.running[request.id] = Running(request: request, onEvent: onEvent) }
      return core.hasStopped
    }
    if isOver { onEvent(.failed(request.id, message: "the engine has stopped")) }
  }

  package func cancel(_ id: RequestID) { core.withLock { _ = $0.running.removeValue(forKey: id) } }

  package func stop() { core.withLock { $0.isStopping = true } }

  /// Draws tokens on the calling thread until stopped.
  package func run() {
    while true {
      let isOver = core.withLock { core in
        core.hasStopped = core.isStopping && core.running.isEmpty
        return core.hasStopped
      }
      if isOver { return }
      if script.isNoisy { print("a library has something to say") }
      for id in core.withLock({ $0.running.keys.sorted() }) { draw(id) }
      usleep(script.stepMilliseconds > 0 ? UInt32(script.stepMilliseconds) * 1000 : 200)
    }
  }

  private func draw(_ id: RequestID) {
    guard var running = core.withLock({ $0.running[id] }) else { return }
    if !running.hasStarted { running.onEvent(.started(id, cachedTokens: 0)) }
    running.hasStarted = true
    if let poison = script.poison, running.request.prompt.contains(poison.token),
      running.request.sampled.count >= poison.at
    {
      finishLink()
      say("martinet: failed: rank 0 (n1): this prompt is poison")
      _exit(3)
    }
    let token = Self.next(after: running.request.prompt + running.request.sampled)
    running.request.sampled.append(token)
    let finish: FinishReason? =
      running.request.stopTokens.contains(token)
      ? .stop : running.request.sampled.count >= running.request.maxNewTokens ? .length : nil
    let count = core.withLock { core in
      core.sampled += 1
      if core.running[id] != nil { core.running[id] = finish == nil ? running : nil }
      if finish != nil { core.finished += 1 }
      return core.sampled
    }
    running.onEvent(.token(id, SampledToken(token), finish: finish))
    misbehave(count)
  }

  private func misbehave(_ count: Int) {
    if count == script.crashAfter { kill(getpid(), SIGKILL) }
    if count == script.stopAfter {
      finishLink()
      kill(getpid(), SIGSTOP)
    }
    if count == script.hangAfter {
      usleep(50_000)
      for _ in 0..<600 {
        say(
          #"martinet: stall {"rank":1,"host":"n2","layer":3,"phase":"dispatch","seconds":11.0,"step_seconds":11.0,"waiting_for":[2]}"#
        )
        sleep(1)
      }
    }
    if count == script.damageAfter { damage() }
    if count == 1, let limit = script.killWithin { killLater(limit) }
    if count == script.restAfter { while true { sleep(1) } }
  }

  /// Has all that was sampled before written, however long that takes.
  private func finishLink() { runningLink.withLock { $0 }?.finish(atMost: .seconds(600)) }

  /// Ends this process at a moment nobody knows.
  private func killLater(_ milliseconds: Int) {
    var thread = pthread_t()
    let microseconds = Int.random(in: 0...milliseconds * 1000)
    pthread_create(
      &thread, nil,
      { argument in
        usleep(UInt32(Int(bitPattern: argument)))
        kill(getpid(), SIGKILL)
        return nil
      }, UnsafeMutableRawPointer(bitPattern: max(1, microseconds)))
  }

  /// A line of the protocol that is not: after everything before it has been written.
  private func damage() {
    finishLink()
    let line = "@martinet {\"kind\":\"events\",\"events\":[{\"event\":\n"
    _ = line.withCString { write(linkOutput.load(ordering: .relaxed), $0, strlen($0)) }
  }
}

/// The descriptor the link writes to.
let linkOutput = Atomic<Int32>(-1)
/// The link of this process, once it runs.
let runningLink = Mutex<EngineLink?>(nil)

func say(_ line: String) {
  let line = line + "\n"
  _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
}

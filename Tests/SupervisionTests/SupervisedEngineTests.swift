import EngineAPI
import Foundation
import Supervision
import SupervisionScenarios
import TestSupport
import Testing

/// Real processes, started and killed.
@Suite(.serialized, .timeLimit(.minutes(20)))
struct SupervisedEngineTests {
  private func check(_ streams: Streams, _ requests: [TokenRequest]) {
    for request in requests {
      let stream = streams[request]
      #expect(stream.tokens == ScriptedEngine.answer(to: request), "request \(request.id.value)")
      #expect(stream.failure == nil && stream.excess == 0, "\(stream.failure ?? "")")
    }
  }

  private func end(_ engine: SupervisedEngine) {
    engine.stop()
    #expect(eventually { engine.state == .stopped })
  }

  @Test func requestsAreServedAndTheJobEndsWhenStopped() throws {
    let engine = try SupervisedEngine(Job.options())
    let streams = Streams()
    var requests = (1...5).map { Job.request($0) }
    requests[1].stopTokens = [ScriptedEngine.answer(to: requests[1])[7]]
    requests[2].sampled = Array(ScriptedEngine.answer(to: requests[2]).prefix(10))
    for request in requests { streams.submit(request, to: engine) }
    #expect(streams.waitForAll())
    check(streams, requests)
    #expect(streams[requests[1]].finish == .stop && streams[requests[1]].tokens.count == 8)
    #expect(eventually { engine.state == .ready && engine.facts?.family == "scripted" })
    #expect(eventually { engine.status.requestsFinished == 5 })
    end(engine)
    streams.submit(Job.request(9), to: engine)
    #expect(streams.waitForAll() && streams[Job.request(9)].failure != nil)
  }

  @Test func aJobThatIsKilledAgainAndAgainLosesNoTokenOfTwentyStreams() throws {
    let log = Log()
    // The first has not done all before it is killed; how many there are is a matter of the machine.
    var options = Job.options("step-milliseconds=3", "kill-within=700", "rest-after=4000", log: log)
    options.restartLimit = 1000
    let engine = try SupervisedEngine(options)
    let streams = Streams()
    let requests = (1...20).map { Job.request($0, tokens: 300 + $0) }
    for request in requests { streams.submit(request, to: engine) }
    #expect(streams.waitForAll(), "\(engine.state) \(log.text)")
    check(streams, requests)
    #expect(log.text.contains("starting it again") && engine.restartCount > 0, "no job was killed")
    engine.terminate()
    #expect(eventually { engine.state == .stopped })
  }

  @Test func whatLibrariesPrintDoesNotConfuse() throws {
    let engine = try SupervisedEngine(Job.options("noisy"))
    let streams = Streams()
    let requests = (1...3).map { Job.request($0) }
    for request in requests { streams.submit(request, to: engine) }
    #expect(streams.waitForAll())
    check(streams, requests)
    end(engine)
  }

  @Test func aDamagedLineCostsAJobButNoToken() throws {
    let log = Log()
    let engine = try SupervisedEngine(Job.options("damage-after=30", "step-milliseconds=1", log: log))
    let streams = Streams()
    let requests = (1...2).map { Job.request($0) }
    for request in requests { streams.submit(request, to: engine) }
    #expect(streams.waitForAll())
    check(streams, requests)
    #expect(log.text.contains("damaged"), "\(log.text)")
    end(engine)
  }

  @Test func aStoppedJobIsNoticedAndReplaced() throws {
    let log = Log()
    var options = Job.options("stop-after=25", "step-milliseconds=1", log: log)
    options.silenceLimit = .seconds(2)
    let engine = try SupervisedEngine(options)
    let streams = Streams()
    let requests = [Job.request(1)]
    streams.submit(requests[0], to: engine)
    #expect(streams.waitForAll())
    check(streams, requests)
    // Its host is known when the job has told its first status.
    #expect(
      log.text.contains("rank 0") && log.text.contains("does not answer: nothing has come from it for "),
      "\(log.text)")
    end(engine)
  }

  @Test func theRankThatHangsIsNamedInTheState() throws {
    let log = Log()
    let engine = try SupervisedEngine(Job.options("hang-after=25", "step-milliseconds=1", log: log))
    let streams = Streams()
    let request = Job.request(1)
    streams.submit(request, to: engine)
    let reason = "rank 2 does not answer: rank 1 has waited for it 11 s in layer 3, dispatch"
    // The state may be gone before anybody looks.
    #expect(eventually { log.text.contains("the job ended: \(reason); starting it again") }, "\(log.text)")
    #expect(streams.waitForAll())
    check(streams, [request])
    end(engine)
  }

  @Test func aJobThatCannotStartIsGivenUpWithItsLastWords() throws {
    var options = Job.options("refuse")
    options.restartLimit = 2
    let engine = try SupervisedEngine(options)
    let streams = Streams()
    streams.submit(Job.request(1), to: engine)
    #expect(streams.waitForAll())
    guard case .failed(let reason) = engine.state else {
      Issue.record("\(engine.state)")
      return
    }
    #expect(reason.hasPrefix("the model is not there (") && streams[Job.request(1)].failure == reason)
    streams.submit(Job.request(2), to: engine)
    #expect(streams.waitForAll() && streams[Job.request(2)].failure == reason)
    engine.stop()
    #expect(engine.state == .stopped)
  }

  @Test(arguments: [
    ("silent", ["nothing has been heard of any rank for ", ": the launcher has started none"]),
    ("rank-missing", ["rank 1 of 2 has not come up in ", ", only rank 0 on host n1"]),
  ])
  func aStartThatGetsStuckIsEndedAndTriedAgainWithWhatIsMissing(scenario: String, words: [String]) throws {
    // What a job says of itself must come within the limit.
    let fault = faultWithPatience([2, 10, 40]) { seconds in
      let log = Log()
      var options = Job.options(scenario, log: log)
      (options.startLimit, options.restartLimit) = (.seconds(seconds), 1)
      let engine = try SupervisedEngine(options)
      let isOver = eventually { if case .failed = engine.state { true } else { false } }
      let isTold = words.allSatisfy { log.text.contains($0) } && log.text.contains("; starting it again")
      if case .failed(let told) = engine.state, isOver, isTold, words.allSatisfy({ told.contains($0) }) { return nil }
      return "\(engine.state) \(log.text)"
    }
    #expect(fault == nil)
  }

  @Test func aHostThatComesBackIsWaitedForAndRequestsWithIt() throws {
    let words = "the job ended: host n2 cannot be reached: No route to host; starting it again"
    // It must be away still when the first job is started.
    let fault = faultWithPatience([5, 20, 60]) { seconds in
      let log = Log()
      var options = Job.options("away-until=\(time(nil) + Int(seconds))", log: log)
      options.restartTime = .seconds(600)
      let engine = try SupervisedEngine(options)
      let streams = Streams()
      let requests = (1...3).map { Job.request($0) }
      for request in requests { streams.submit(request, to: engine) }
      #expect(eventually { log.text.contains(words) || engine.state == .ready }, "\(log.text)")
      let outage = engine.outageBegan
      #expect(outage != nil || engine.state == .ready)
      #expect(streams.waitForAll())
      check(streams, requests)
      #expect(eventually { engine.state == .ready && engine.outageBegan == nil }, "\(log.text)")
      let hasWaited = log.text.contains(words) && engine.restartCount >= 1
      end(engine)
      return hasWaited ? nil : log.text
    }
    #expect(fault == nil)
  }

  @Test func aHostThatStaysAwayIsGivenUpWhenTheTimeToldIsOver() throws {
    var options = Job.options("away-until=\(time(nil) + 100_000)")
    options.restartTime = .seconds(3)
    let engine = try SupervisedEngine(options)
    let streams = Streams()
    streams.submit(Job.request(1), to: engine)
    #expect(streams.waitForAll())
    #expect(streams[Job.request(1)].failure?.hasPrefix("host n2 cannot be reached: No route to host (for 3 s ") == true)
    guard case .failed = engine.state else {
      Issue.record("\(engine.state)")
      return
    }
  }

  /// One that is stopped while it has nothing to do is found out before a request meets it.
  @Test func aJobThatFallsSilentWhileItIsIdleIsReplaced() throws {
    let log = Log()
    var options = Job.options(log: log)
    options.silenceLimit = .seconds(2)
    let engine = try SupervisedEngine(options)
    #expect(eventually { engine.state == .ready })
    let before = engine.restartCount
    #expect(eventually { signalJobs(SIGSTOP) })
    #expect(eventually { engine.restartCount > before && engine.state == .ready }, "\(engine.state) \(log.text)")
    #expect(log.text.contains("nothing has come from it for "), "\(log.text)")
    end(engine)
  }

  /// False where none runs, as between two of them.
  private func signalJobs(_ signal: Int32) -> Bool {
    let jobs = Job.processes(of: getpid())
    for job in jobs { kill(job, signal) }
    return !jobs.isEmpty
  }

  @Test func aLauncherThatIsKilledIsNamed() throws {
    let log = Log()
    let engine = try SupervisedEngine(Job.options(log: log))
    #expect(eventually { engine.state == .ready })
    #expect(eventually { signalJobs(SIGKILL) })
    #expect(
      eventually { log.text.contains("the job ended: SupervisionScenarios was killed by signal 9 (Killed)") },
      "\(log.text)")
    end(engine)
  }

  @Test func aProgramThatDoesNotExistIsAFailureNotATrap() throws {
    var options = SupervisionOptions(command: ["/dev/null/martinet"])
    options.restartLimit = 1
    options.log = { _ in }
    let engine = try SupervisedEngine(options)
    #expect(
      eventually { if case .failed(let reason) = engine.state { reason.contains("/dev/null/martinet") } else { false } }
    )
    #expect(throws: SupervisionError.emptyCommand) { try SupervisedEngine(SupervisionOptions(command: [])) }
  }

  @Test(arguments: [0, 17])
  func aRequestThatEndsEveryJobFailsAndTheOthersLive(at token: Int) throws {
    let log = Log()
    var options = Job.options("poison=666", "poison-at=\(token)", "step-milliseconds=2", log: log)
    options.blameLimit = 3
    let engine = try SupervisedEngine(options)
    let streams = Streams()
    let poison = Job.request(3, prompt: [1, 666])
    let requests = [1, 2, 4, 5, 6].map { Job.request($0, tokens: 200) }
    for request in [requests[0], requests[1], poison] + requests[2...] { streams.submit(request, to: engine) }
    #expect(streams.waitForAll(), "\(engine.state)\n\(log.text)")
    check(streams, requests)
    let stream = streams[poison]
    #expect(
      stream.failure?.contains("3 times in a row") == true && stream.failure?.contains("this prompt is poison") == true)
    #expect(stream.tokens == Array(ScriptedEngine.answer(to: poison).prefix(token)))
    end(engine)
  }

  @Test func cancelledRequestsAreForgottenAcrossJobs() throws {
    let engine = try SupervisedEngine(Job.options("crash-after=60", "step-milliseconds=2"))
    let streams = Streams()
    let (kept, dropped) = (Job.request(1, tokens: 80), Job.request(2, tokens: 100_000))
    streams.submit(kept, to: engine)
    streams.submit(dropped, to: engine)
    #expect(streams.wait { $0.allSatisfy { $0.tokens.count > 5 } })
    engine.cancel(dropped.id)
    let count = streams[dropped].tokens.count
    #expect(streams.wait { $0.contains { $0.finish != nil } })
    check(streams, [kept])
    #expect(streams[dropped].tokens.count <= count + 1)
    end(engine)
  }

  @Test func aRequestThatTheLinkRefusesFailsWithWords() throws {
    let engine = try SupervisedEngine(Job.options())
    let streams = Streams()
    var request = Job.request(1)
    request.sampling.temperature = -1
    streams.submit(request, to: engine)
    #expect(streams.waitForAll() && streams[request].failure?.contains("temperature") == true)
    end(engine)
  }

  @Test func processesThatALauncherLeavesBehindAreEnded() throws {
    // Those of other runs of this test sleep for other times.
    let time = 1_000_000_000 + Int(getpid())
    func sleepers() -> Int {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
      return names.count { name in
        (try? String(contentsOfFile: "/proc/\(name)/cmdline", encoding: .utf8)) == "sleep\0\(time)\0"
      }
    }
    let engine = try SupervisedEngine(Job.options("leave-child=\(time)", "crash-after=10"))
    let streams = Streams()
    let request = Job.request(1, tokens: 35)
    streams.submit(request, to: engine)
    #expect(streams.waitForAll())
    // The kernel may still be about to end one that was killed.
    #expect(eventually { sleepers() <= 1 }, "one for the running job")
    end(engine)
    #expect(eventually { sleepers() == 0 })
  }

  @Test func stoppingWaitsForRequestsUnderWay() throws {
    let engine = try SupervisedEngine(Job.options("step-milliseconds=5", "crash-after=50"))
    let streams = Streams()
    let request = Job.request(1, tokens: 80)
    streams.submit(request, to: engine)
    #expect(streams.wait { $0.allSatisfy { $0.tokens.count > 3 } })
    end(engine)
    check(streams, [request])
  }

  /// The launcher that is used: it forwards both streams in pieces, through a terminal, and tells which rank a signal
  /// ended.
  @Test func aJobUnderMpirunIsServedAndItsDeadRankNamed() throws {
    let log = Log()
    var options = Job.options("crash-after=30", log: log)
    options.command =
      ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", "1"] + options.command
    let engine = try SupervisedEngine(options)
    let streams = Streams()
    let requests = [Job.request(1), Job.request(2, tokens: 5, prompt: (0..<150_000).map { $0 })]
    for request in requests { streams.submit(request, to: engine) }
    #expect(streams.waitForAll(), "\(engine.state)\n\(log.text)")
    check(streams, requests)
    #expect(log.text.contains("the job ended: rank 0 on host "), "\(log.text)")
    #expect(log.text.contains("ended by signal 9 (Killed)"), "\(log.text)")
    end(engine)
  }
}

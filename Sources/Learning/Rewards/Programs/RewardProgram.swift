import Evaluation
import Glibc
import JSON
import Machine
import Synchronization

/// A program of the user's that says what completions are worth: started at the first batch, and kept for all others.
final class RewardProgram: Sendable {
  private struct State: Sendable {
    var process: ProgramProcess?
    var confinement: Confinement?
  }

  private let command: String
  private let limit: Duration
  private let isIsolated: Bool
  private let state = Mutex(State())

  /// How long it may take to end by itself once its input has.
  private static let grace = Duration.seconds(1)

  /// `limit`: for a batch.
  init(_ command: String, limit: Duration, isIsolated: Bool) {
    (self.command, self.limit, self.isIsolated) = (command, limit, isIsolated)
  }

  deinit { close() }

  /// What a user should know of how it runs.
  var notes: [String] {
    let reason = state.withLock { confinement(&$0).reason }
    return reason.map {
      [
        """
        the reward program runs with the network, as this system does not let a process be kept from it (\($0)); \
        leave nothing within its reach that it should not have
        """
      ]
    } ?? []
  }

  private func confinement(_ state: inout State) -> Confinement {
    let found = state.confinement ?? Confinement.find(isIsolated: isIsolated)
    state.confinement = found
    return found
  }

  /// What samples are worth, in their order. After an error the program is ended, with all that it started; the next
  /// call starts it anew.
  func replies(to samples: [RewardedSample]) throws(RewardError) -> [ProgramReplies.Reply] {
    guard !samples.isEmpty else { return [] }
    let input = samples.indices.flatMap { Array((Self.line(samples[$0], $0, samples.count).text() + "\n").utf8) }
    return try state.withLock { (state) throws(RewardError) in
      // One that ended as it should after the last batch, perhaps only now, is started anew.
      let wasRunning = state.process != nil
      var attempt = exchange(&state, input, samples.count)
      if wasRunning, attempt.fault == .exited(0), attempt.answered == 0 {
        attempt = exchange(&state, input, samples.count)
      }
      if let replies = attempt.replies { return replies }
      guard let fault = attempt.fault else { throw .start(command: command, reason: attempt.reason) }
      throw .program(command: command, answered: attempt.answered, of: samples.count, fault)
    }
  }

  private struct Attempt {
    var replies: [ProgramReplies.Reply]?
    var answered = 0
    var fault: ProgramFault?
    /// Why it could not be started.
    var reason = ""
  }

  private func exchange(_ state: inout State, _ input: [UInt8], _ count: Int) -> Attempt {
    let process: ProgramProcess
    let isFirst = state.process == nil
    do throws(MachineError) {
      if let running = state.process {
        process = running
      } else {
        process = try ProgramProcess(command, in: confinement(&state))
      }
    } catch { return Attempt(reason: "\(error)") }
    state.process = process
    var exchange = ProgramExchange(process, input: input, count: count, limit: limit)
    do throws(ProgramFault) { return Attempt(replies: try exchange.run(isFirst: isFirst)) } catch {
      state.process = nil
      process.end(grace: .zero)
      return Attempt(answered: exchange.replies.answeredCount, fault: error)
    }
  }

  /// Ends it; a later batch would start it anew.
  func close() {
    let process = state.withLock { state in
      defer { state.process = nil }
      return state.process
    }
    process?.end(grace: Self.grace)
  }

  /// What it reads of a sample: the prompt's line, and what came of it.
  static func line(_ sample: RewardedSample, _ index: Int, _ count: Int) -> JSONValue {
    var object = JSONObject([
      ("index", .int(index)), ("batch_size", .int(count)), ("completion", .string(sample.answer.text)),
      ("completion_tokens", .int(sample.tokenCount)), ("cut", .bool(sample.isCut)),
    ])
    for (key, value) in sample.prompt.line.object?.members.map({ $0 }) ?? [] where object[key] == nil {
      object[key] = value
    }
    return .object(object)
  }
}

extension ProgramFault {
  init(_ end: ProgramProcess.End) {
    switch end {
    case .exited(let status): self = .exited(status)
    case .signalled(let number):
      self = .signalled(number, name: strsignal(number).map { String(cString: $0) } ?? "unknown")
    }
  }
}

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
        "the reward program runs with the network, as this system does not let a process be kept from it (\($0)); leave nothing within its reach that it should not have"
      ]
    } ?? []
  }

  private func confinement(_ state: inout State) -> Confinement {
    let found = state.confinement ?? Confinement.find(isIsolated: isIsolated)
    state.confinement = found
    return found
  }

  /// What samples are worth, in their order. After an error the program is ended, with all that it started; the next call starts
  /// it anew.
  func replies(to samples: [RewardedSample]) throws(RewardError) -> [ProgramReplies.Reply] {
    guard !samples.isEmpty else { return [] }
    let input = samples.indices.flatMap { Array((Self.line(samples[$0], $0, samples.count).text() + "\n").utf8) }
    return try state.withLock { (state) throws(RewardError) in
      let process = try process(&state, count: samples.count)
      var exchange = ProgramExchange(process, input: input, count: samples.count, limit: limit)
      do throws(ProgramFault) { return try exchange.run() } catch {
        state.process = nil
        process.end(grace: .zero)
        throw RewardError.program(
          command: command, answered: exchange.replies.answeredCount, of: samples.count, error)
      }
    }
  }

  /// The running program, or a new one where none runs, or one that has ended as it should.
  private func process(_ state: inout State, count: Int) throws(RewardError) -> ProgramProcess {
    if let process = state.process {
      guard let end = process.endedIfSilent() else { return process }
      state.process = nil
      process.end(grace: .zero)
      guard end == .exited(0) else {
        throw .program(command: command, answered: 0, of: count, ProgramFault(end))
      }
    }
    let confinement = confinement(&state)
    do throws(MachineError) {
      let process = try ProgramProcess(command, in: confinement)
      state.process = process
      return process
    } catch { throw .start(command: command, reason: "\(error)") }
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

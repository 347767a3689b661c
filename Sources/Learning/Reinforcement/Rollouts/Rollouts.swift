import DistributedTraining
import EngineAPI
import Fabric
import Inference
import Kernels
import ModelRuntime
import MoEModel

/// Samples completions with the model in training: the engine that serves, in the same memory, so that a token's
/// log-probability has the bits that the training computes. Weights change between rounds, and what the cache held is
/// forgotten with each.
package final class Rollouts {
  /// Completions of one message: below its limit up to a million tokens each.
  private static let messageCount = 128
  private let session: GenerationSession
  private let communicator: any Communicator
  private let stopTokens: Set<Int32>
  /// Tokens of the last round's prompts, and how many tokens were computed before its completions' own: a prompt is
  /// read once for all that are sampled of it on a rank. On rank 0.
  package private(set) var promptTokens = (all: 0, read: 0)

  /// For up to `sequences` completions at a time. `share`: the part of `memory` that is had beyond what must be, of
  /// this rank; all take the least. Collective.
  package init(
    _ model: LoadedModel, runtime: ClusterRuntime, sequences: Int, memory: RolloutMemory, share: Double,
    stopTokens: Set<Int32>
  ) throws {
    (communicator, self.stopTokens) = (runtime.communicator, stopTokens)
    var options = SessionOptions()
    (options.cacheType, options.stallLimit) = (.f32, nil)
    (options.sequences, options.batchTokens) = (max(1, sequences), RolloutMemory.batchTokens(sequences: sequences))
    options.stateCount = memory.stateCount
    let blocks = -Int(try communicator.allReduceMax(Int64(-memory.blocks(share: share))))
    session = try GenerationSession(runtime, model: LoadedModel(sharing: model), options: options, cacheBlocks: blocks)
  }

  /// With a session that there is already.
  package init(_ session: GenerationSession, stopTokens: Set<Int32>) {
    (self.session, communicator, self.stopTokens) = (session, session.communicator, stopTokens)
  }

  /// The completions of all requests, on every rank, in their order. `name` tells which line a request comes from. What
  /// is sampled is kept in `log`, and what that has is not sampled again. Throws `StepInterrupted` on all ranks when
  /// one was told to stop. Collective.
  package func sample(_ requests: [RolloutRequest], log: RolloutLog? = nil, name: (Int) -> Int) throws -> [Completion] {
    var completions: [Completion] = []
    var failure: (any Error)?
    if communicator.isRoot {
      let loop = session.makeLoop()
      loop.goesOnWhenInterrupted = true
      do { completions = try sample(requests, loop, log, name) } catch let error as FabricError {
        // Other ranks cannot be told.
        throw error
      } catch { failure = error }
      try loop.stop()
    } else {
      try session.follow()
    }
    let isStopped = failure is StepInterrupted
    guard try communicator.allReduceMax(isStopped ? 1 : 0) == 0 else { throw StepInterrupted() }
    try agree(on: communicator) { if let failure { throw failure } }
    // Some at a time: messages have a limit.
    var all: [Completion] = []
    for first in stride(from: 0, to: requests.count, by: Self.messageCount) {
      let part = first..<min(first + Self.messageCount, requests.count)
      var bytes = communicator.isRoot ? CompletionMessage.encode(Array(completions[part])) : []
      try communicator.broadcast(&bytes, from: Rank(0), limit: ClusterRuntime.reportLimit)
      all += communicator.isRoot ? Array(completions[part]) : try CompletionMessage.decode(bytes, count: part.count)
    }
    return all
  }

  private func sample(
    _ requests: [RolloutRequest], _ loop: GenerationLoop, _ log: RolloutLog?, _ name: (Int) -> Int
  ) throws -> [Completion] {
    var completions =
      log?.begin(requests, stopTokens: stopTokens, vocabularySize: session.description.vocabularySize)
      ?? Array(repeating: Completion(), count: requests.count)
    var places: [SequenceID: Int] = [:]
    promptTokens = (0, 0)
    for (i, request) in requests.enumerated() where !isDone(completions[i], request) {
      var sampling = SamplingParameters()
      (sampling.temperature, sampling.seed) = (request.temperature, request.seed)
      var asked = GenerationRequest(
        prompt: request.prompt,
        task: .generate(maxNewTokens: request.maxNewTokens, sampling: sampling, stopTokens: stopTokens))
      asked.sampled = completions[i].tokens
      asked.details = TokenDetails(topLogprobs: 0)
      do throws(InferenceError) { places[try loop.submit(asked, index: i)] = i } catch {
        throw ReinforcementError.failedRollout(line: name(i), reason: "\(error)")
      }
    }
    promptTokens.all = places.values.reduce(0) { $0 + requests[$1].prompt.count }
    // What an earlier run sampled stays where a later one finds it.
    try log?.write(completions)
    while loop.hasWork {
      for event in try loop.step() {
        switch event {
        case .token(let id, let token, let finish):
          guard let i = places[id] else { continue }
          completions[i].tokens.append(token.token)
          completions[i].logprobs.append(token.logprob ?? .nan)
          completions[i].isCut = finish == .length
        case .failed(let id, let reason):
          try log?.write(completions)
          throw ReinforcementError.failedRollout(line: places[id].map(name) ?? 0, reason: reason)
        case .started(let id, let cached):
          guard let i = places[id] else { continue }
          promptTokens.read += requests[i].prompt.count + completions[i].tokens.count - cached
        case .scored, .embedded: break
        }
      }
      if loop.isInterrupted {
        try log?.write(completions)
        throw StepInterrupted()
      }
      try log?.writeSometimes(completions)
    }
    // Long completions are not sampled again where what follows them fails.
    if log?.hasBegun == true { try log?.write(completions) }
    return completions
  }

  /// Whether a completion that was begun before has come to its end.
  private func isDone(_ completion: Completion, _ request: RolloutRequest) -> Bool {
    guard let last = completion.tokens.last else { return false }
    return stopTokens.contains(last) || completion.isCut || completion.tokens.count >= request.maxNewTokens
  }
}

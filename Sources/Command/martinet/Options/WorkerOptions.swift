import ArgumentParser
import Fabric
import Machine
import ModelRuntime

/// The workers of commands that compute on rank 0's host alone, and on no model.
struct WorkerOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: "Worker threads.") var threads: Int?
  @OptionGroup var coreOptions: CoreOptions

  func validate() throws { try require("threads", threads, in: 1...4096) }

  /// Calls `body` on rank 0, with its pool; what it throws is told as the command's failure. To be called on all ranks.
  func run(_ body: (WorkerPool) throws -> Void) throws {
    try withRanks { communicator in
      let host = try coreOptions.plan(on: communicator, threads: threads)
      let pool = try agree(on: communicator) { try host.makePool() }
      guard communicator.isRoot else { return }
      do { try body(pool) } catch { throw ToldFailure(error: error) }
    }
  }
}

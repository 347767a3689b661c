import ArgumentParser
import Fabric
import Inference
import Machine

/// Joins the run, does `body`, and leaves in good order; a failure is told once, by rank 0 where it can be, in a line
/// that begins with `mark`.
///
/// `terms`: what else than program and command must be the same on all ranks, before they may meet in `body`.
func withRanks(
  _ terms: RunTerms = RunTerms(), mark: String = "martinet: ", _ body: (any Communicator) throws -> Void
) throws {
  let communicator = try Launch.current.join()
  do {
    if communicator.size > 1 { try terms.ofThisProgram().agree(on: communicator) }
    try body(communicator)
  } catch let error as FabricError {
    guard case .peersFailed(let failures) = error else {
      communicator.abort(mark + message(error, communicator), status: 1)
    }
    // All ranks failed together and agree on why.
    for failure in failures where communicator.isRoot {
      // What all ranks say is nobody's in particular.
      let isEverybodys = failure.ranks.count == communicator.size
      say(mark + (isEverybodys ? failure.message : "\(failure)"), isFailure: true)
    }
    try communicator.finalize()
    try leave(communicator, status: 1)
    return
  } catch let failure as ToldFailure {
    if let error = failure.error { say("\(mark)\(error)", isFailure: true) }
    try communicator.finalize()
    if case InferenceError.interrupted? = failure.error { throw ExitCode(130) }
    try leave(communicator, status: 1)
    return
  } catch {
    guard communicator.size > 1 else {
      say("\(mark)\(error)", isFailure: true)
      throw ExitCode(1)
    }
    communicator.abort(mark + message(error, communicator), status: 1)
  }
  try communicator.finalize()
}

/// Ends a run that all ranks leave together. Only rank 0 tells of it: mpirun ends the job at the first rank that does,
/// and what another had just written would be lost.
private func leave(_ communicator: any Communicator, status: Int32) throws {
  if communicator.isRoot { throw ExitCode(status) }
}

private func message(_ error: any Error, _ communicator: any Communicator) -> String {
  "\(communicator.rank) (\(communicator.hostName)): \(error)"
}

/// Does what needs no other rank; a failure is told in a line, and ends the command with status 1.
func tellingFailure(_ body: () throws -> Void) throws {
  do { try body() } catch let error where !(error is ExitCode || error is ValidationError) {
    say("martinet: \(error)")
    throw ExitCode(1)
  }
}

/// A failure of rank 0 that the other ranks know of and leave too, without a word: there, `error` is nil.
struct ToldFailure: Error {
  let error: (any Error)?
}

/// Runs rank 0's loop while the other ranks follow; whatever `body` throws, all ranks leave together. Collective.
///
/// From here on, a signal to stop ends the loop between steps; before, it ends the process at once.
func withLoop(_ session: GenerationSession, _ body: (GenerationLoop) throws -> Void) throws {
  try Interrupt.install()
  let communicator = session.communicator
  var failure: (any Error)?
  if communicator.isRoot {
    let loop = session.makeLoop()
    do { try body(loop) } catch let error as FabricError {
      // The other ranks cannot be told.
      throw error
    } catch { failure = error }
    try loop.stop()
  } else {
    try session.follow()
  }
  if try communicator.allReduceMax(failure == nil ? 0 : 1) != 0 { throw ToldFailure(error: failure) }
}

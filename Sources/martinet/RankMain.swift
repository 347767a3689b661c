import ArgumentParser
import Fabric
import Inference
import Machine

/// Joins the run, does `body`, and leaves in good order; a failure is told once, by rank 0 where it can be.
func withRanks(_ body: (any Communicator) throws -> Void) throws {
  try Interrupt.install()
  let communicator = try Launch.current.join()
  do {
    try body(communicator)
  } catch let error as FabricError {
    guard case .peersFailed(let failures) = error else { communicator.abort(message(error, communicator), status: 1) }
    // All ranks failed together and agree on why.
    let isAlone = communicator.size == 1
    if communicator.isRoot { for failure in failures { say("martinet: \(isAlone ? failure.message : "\(failure)")") } }
    try communicator.finalize()
    throw ExitCode(1)
  } catch let failure as ToldFailure {
    // Rank 0 has ended the other ranks' loops.
    say("martinet: \(failure.error)")
    try communicator.finalize()
    if case InferenceError.interrupted = failure.error { throw ExitCode(130) }
    throw ExitCode(1)
  } catch {
    guard communicator.size > 1 else {
      say("martinet: \(error)")
      throw ExitCode(1)
    }
    communicator.abort(message(error, communicator), status: 1)
  }
  try communicator.finalize()
}

private func message(_ error: any Error, _ communicator: any Communicator) -> String {
  "martinet: \(communicator.rank) (\(communicator.hostName)): \(error)"
}

/// A failure of rank 0 after which the other ranks were told to stop.
struct ToldFailure: Error {
  let error: any Error
}

/// Runs rank 0's loop while the other ranks follow; whatever `body` throws, they are told to stop.
func withLoop(_ session: Session, _ body: (GenerationLoop) throws -> Void) throws {
  guard session.communicator.isRoot else { return try session.engine.follow() }
  let loop = session.makeLoop()
  do {
    try body(loop)
  } catch let error as InferenceError {
    try loop.stop()
    throw ToldFailure(error: error)
  } catch let error as FabricError {
    throw error
  } catch {
    try loop.stop()
    throw ToldFailure(error: error)
  }
  try loop.stop()
}

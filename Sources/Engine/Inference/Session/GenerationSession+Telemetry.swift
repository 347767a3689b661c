import Checkpoints
import ExpertParallelism
import Kernels
import ModelRuntime
import MoEModel
import Telemetry

extension GenerationSession {
  /// Keeps the spans and messages of the latest steps on this rank, up to `capacity` of each.
  package func keepSpans(_ capacity: Int) { model.telemetry.recorder.keepSpans(capacity) }

  /// Keeps what every token chooses from now on; on every rank. Does nothing in a model without experts.
  package func recordRouting() {
    if description.moe != nil { engine.routingLog = RoutingLog(description) }
  }

  /// What a report says of this run.
  package func subject(program: String, command: [String]) -> RunSubject {
    var subject = RunSubject()
    subject.command = command
    subject.program = program
    subject.date = RunSubject.now()
    subject.model = ModelLocation.displayName(checkpoint.path)
    subject.family = description.family
    subject.hiddenSize = description.hiddenSize
    // A prediction module's is counted and shown as one more.
    subject.layerCount = description.runLayers.count
    subject.expertCount = description.moe?.expertCount ?? 0
    subject.expertsPerToken = description.moe?.topK ?? 0
    subject.instructionSet = compute.instructionSet.rawValue
    subject.rowBytes = wire?.tokenByteCount ?? 0
    subject.sumBytes = wire?.sumByteCount ?? 0
    subject.work = description.work
    return subject
  }
}

import DistributedTraining
import JSON
import MoEModel
import Reports
import Telemetry
import Training

extension TrainingReport {
  /// Of a training that is about to begin.
  init(
    _ description: DecoderDescription, name: String, settings: TrainingSettings, files: [(String, JSONValue)],
    instructionSet: String, peak: Double
  ) {
    var subject = RunSubject()
    (subject.command, subject.program) = (CommandLine.arguments, "martinet \(Martinet.versionAndBuild)")
    (subject.model, subject.family) = (name, description.family)
    (subject.hiddenSize, subject.layerCount) = (description.hiddenSize, description.layerCount)
    let moe = description.moe
    (subject.expertCount, subject.expertsPerToken) = (moe?.expertCount ?? 0, moe?.topK ?? 0)
    subject.instructionSet = instructionSet
    self.init(
      subject: subject, stepCount: settings.steps,
      history: TrainingHistory(layers: description.moeLayers, expertCount: moe?.expertCount ?? 0))
    self.peak = peak
    phases = TrainingPhase.allCases.map { Phase(name: $0.name, isOfStep: $0.isOfStep) }
    var recipe = JSONObject(
      files + [
        ("seed", .string("\(settings.seed)")), ("optimizer", .string(settings.optimizer.rawValue)),
      ])
    for (key, value) in settings.recipe.object?.members.map({ ($0.key, $0.value) }) ?? [] { recipe[key] = value }
    self.recipe = .object(recipe)
  }
}

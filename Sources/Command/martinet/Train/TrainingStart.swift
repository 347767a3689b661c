import ArgumentParser
import Checkpoints
import DistributedTraining
import JSON
import ModelText
import MoEModel
import Training

/// What a training begins with.
struct TrainingStart {
  let shape: ShapeCheckpoint
  /// Its tokenizer and chat template.
  let text: TextCodec?
  let companions: Companions
  /// Fills part of a parameter of the new model.
  let fill: (ParameterSpec, Int, UnsafeMutableBufferPointer<Float>) throws -> Void

  /// From a model that there is. `template`: which chat template it is asked by.
  static func from(
    model: String, template: TemplateOptions? = nil, spread: InitialSpread, _ settings: TrainingSettings
  ) throws -> TrainingStart {
    let predicts = settings.predictionLoss != nil
    let folder = try ModelLocation.resolve(model)
    let source = try CheckpointFormat.open(folder)
    let description = try ModelConfiguration.read(source)
    let reader = try ParameterReader(description, checkpoint: source)
    let initial = try Initialization(description, seed: settings.seed, spread: spread)
    return TrainingStart(
      shape: try ShapeCheckpoint(source.config, path: folder + "/config.json", predicts: predicts),
      text: try template?.codec(source) ?? TextCodec(source), companions: try Companions(of: folder)
    ) { spec, first, buffer in
      // A prediction module that the model does not have is begun anew.
      if description.predictionLayerCount == 0, let layer = spec.layer, layer >= description.layerCount {
        return initial.fill(buffer, with: spec, from: first)
      }
      try reader.read(spec.stored, from: first, into: buffer)
    }
  }

  /// From a shape, and from the tokenizer of another model's folder.
  static func from(
    shape: String, tokenizer: String?, template: TemplateOptions? = nil, spread: InitialSpread,
    _ settings: TrainingSettings
  ) throws -> TrainingStart {
    let predicts = settings.predictionLoss != nil
    let path = shape
    let bytes = try InputFile(path: path).contents(limit: 16 << 20)
    let config: JSONValue
    do throws(JSONError) { config = try JSONValue(parsing: bytes) } catch {
      throw ValidationError("--shape \(path): \(error)")
    }
    let checkpoint = try ShapeCheckpoint(config, path: path, predicts: predicts)
    let initial = try Initialization(try ModelConfiguration.read(checkpoint), seed: settings.seed, spread: spread)
    let text = try tokenizer.map { folder in
      let documents = CheckpointFormat.documents(of: folder)
      return try template?.codec(documents) ?? TextCodec(documents)
    }
    _ = try text?.tokenizer()
    return TrainingStart(
      shape: checkpoint, text: text,
      companions: try tokenizer.map { try Companions(of: $0) } ?? Companions()
    ) { spec, first, buffer in initial.fill(buffer, with: spec, from: first) }
  }
}

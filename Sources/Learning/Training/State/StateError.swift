/// Why a training's folder cannot be written, or gone on from; every case names the folder or file.
package enum StateError: Error, Equatable, CustomStringConvertible {
  case badKeep(Int)
  case inUse(folder: String)
  case begunAlready(folder: String, step: Int)
  case nothingSaved(folder: String)
  case badStep(Int)
  /// The file that tells of a state, and what is wrong with it.
  case damagedRecord(path: String, reason: String)
  case otherVersion(path: String, version: String)
  case otherModel(path: String, key: String, saved: String, asked: String)
  case otherOptimizer(path: String, saved: String, asked: String)
  case missingTensor(path: String, name: String)
  case otherShape(path: String, name: String, saved: [Int], asked: [Int])
  case strangeTensor(path: String, name: String)
  /// The checkpoints that are to be kept, and one that is being written, do not fit onto the disk.
  case noSpace(folder: String, needed: Int, checkpoint: Int, count: Int, available: Int)
  /// The folder could not be read, written or renamed.
  case system(operation: String, path: String, reason: String)
  case noThread(reason: String)

  package var description: String {
    switch self {
    case .badKeep(let count): "\(count) checkpoints cannot be kept; give --keep at least 1"
    case .inUse(let folder):
      "another training writes to \(folder.debugDescription); give --out another folder, or end that one first"
    case .begunAlready(let folder, let step):
      """
      \(folder.debugDescription) holds a training at step \(step) already; go on with it with --resume, or give \
      --out another folder
      """
    case .nothingSaved(let folder):
      "\(folder.debugDescription) has no whole checkpoint of a training; start one without --resume"
    case .badStep(let step):
      "a checkpoint of step \(step) cannot be named; steps go from 0 to \(TrainingFolder.lastStep)"
    case .damagedRecord(let path, let reason):
      """
      \(path.debugDescription) is damaged: \(reason); go on from an earlier checkpoint: write its name, such as \
      step-000100, into the file `latest`
      """
    case .otherVersion(let path, let version):
      """
      \(path.debugDescription) is a training's state of version \(version), and this program reads version \
      \(StateRecord.version)
      """
    case .otherModel(let path, let key, let saved, let asked):
      """
      \(path.debugDescription) is the state of another model: \(key) is \(saved) there and \(asked) here; give the \
      shape that it was begun with
      """
    case .otherOptimizer(let path, let saved, let asked):
      "\(path.debugDescription) is a state of \(saved), and \(asked) is asked for; go on with --optimizer \(saved)"
    case .missingTensor(let path, let name):
      "\(path.debugDescription) has no tensor \(name.debugDescription); it is not whole, or of another model"
    case .otherShape(let path, let name, let saved, let asked):
      "\(path.debugDescription) has tensor \(name.debugDescription) of shape \(saved), and the model's is \(asked)"
    case .strangeTensor(let path, let name):
      """
      \(path.debugDescription) has a tensor \(name.debugDescription) that the model does not have; it is of \
      another model
      """
    case .noSpace(let folder, let needed, let checkpoint, let count, let available):
      """
      checkpoints in \(folder.debugDescription) need \(needed >> 20) MiB more, \(count) of \(checkpoint >> 20) MiB \
      with the one being written, and \(available >> 20) MiB are free; give --out a larger disk, or keep fewer \
      (--keep)
      """
    case .system(let operation, let path, let reason): "cannot \(operation) \(path.debugDescription): \(reason)"
    case .noThread(let reason): "the thread that writes checkpoints cannot be started: \(reason)"
    }
  }
}

import Bytes
import Checkpoints
import Glibc
import JSON

/// Where a training keeps what it has made: for each step that was saved `step-NNNNNN`, a model that the engine and
/// others load, and `state-NNNNNN`, what a training needs to go on; `latest`, a file with the name of the last whole
/// one.
///
/// Folders appear under these names only when all of them is on the disk, state first, and `latest` follows. So
/// whenever a process ends, by whatever means, what `latest` names is whole.
package final class TrainingFolder {
  static let partialSuffix = ".partial"
  private static let oldSuffix = ".old"
  package static let lastStep = 999_999_999_999
  private static let latestName = "latest"
  private static let lockName = ".lock"
  private static let recipeName = "recipe.json"

  package let path: String
  /// Checkpoints that are kept; older ones are removed when a new one is whole.
  package let keep: Int
  /// Of every so many steps the last model is kept however old it is, for a training that reads it again; 0 for none.
  package let pinEvery: Int
  private let lockDescriptor: Int32

  /// Opens a folder for writing, or makes it, and removes what an interrupted training left unfinished. One process at
  /// a time may: throws `inUse` for another. With `resume` false, throws where the folder holds a training already.
  package init(path: String, keep: Int, pinEvery: Int = 0, resume: Bool) throws {
    guard keep >= 1 else { throw StateError.badKeep(keep) }
    try FolderFiles.makeFolder(path)
    guard let descriptor = try FolderFiles.lock("\(path)/\(Self.lockName)") else {
      throw StateError.inUse(folder: path)
    }
    (self.path, self.keep, self.pinEvery, lockDescriptor) = (path, keep, max(0, pinEvery), descriptor)
    if !resume, let step = Self.latestStep(in: path) { throw StateError.begunAlready(folder: path, step: step) }
    for name in OutputFolder.files(in: path) ?? [] where name.hasSuffix(Self.partialSuffix) {
      var stem = String(name.dropLast(Self.partialSuffix.count))
      if stem.hasSuffix(Self.oldSuffix) { stem.removeLast(Self.oldSuffix.count) }
      if Self.step(of: stem) != nil || stem == Self.latestName || stem == Self.recipeName {
        try FolderFiles.remove("\(path)/\(name)")
      }
    }
  }

  /// Throws where the file system has not so many bytes free: what a checkpoint takes, before anything is computed.
  package func checkSpace(for byteCount: Int) throws {
    var space = statvfs()
    guard statvfs(path, &space) == 0 else { return }
    let (available, overflows) = Int(space.f_bavail).multipliedReportingOverflow(by: Int(space.f_frsize))
    guard overflows || available >= byteCount else {
      throw CheckpointError.noSpace(path: path, needed: byteCount, available: available)
    }
  }

  /// Writes what a training was told.
  func writeRecipe(_ options: JSONValue) throws {
    try FolderFiles.replace("\(path)/\(Self.recipeName)", with: options.text(pretty: true) + "\n")
  }

  deinit { if lockDescriptor >= 0 { close(lockDescriptor) } }

  /// `step-000017`; more digits where six are too few.
  static func modelName(_ step: Int) -> String { "step-\(Digits.padded(step, to: 6))" }
  static func stateName(_ step: Int) -> String { "state-\(Digits.padded(step, to: 6))" }

  /// The step of a name that one of the two functions makes.
  private static func step(of name: String) -> Int? {
    guard let dash = name.firstIndex(of: "-"), let step = Int(name[name.index(after: dash)...]),
      (0...lastStep).contains(step)
    else { return nil }
    return name == modelName(step) || name == stateName(step) ? step : nil
  }

  /// The step to go on from: that which `latest` names, if it is whole, or else the last that is; nil where there is
  /// none. For any process.
  package static func latestStep(in path: String) -> Int? {
    func isWhole(_ step: Int) -> Bool {
      (try? StateRecord(path: "\(path)/\(stateName(step))/\(StateRecord.fileName)"))?.step == step
        && FolderFiles.isFolder("\(path)/\(modelName(step))")
    }
    if let file = try? InputFile(path: "\(path)/\(latestName)"), let bytes = try? file.contents(limit: 256) {
      let name = String(decoding: bytes, as: UTF8.self)
      let trimmed = String(name.prefix { $0 != "\n" && $0 != "\r" && $0 != " " })
      if let step = step(of: trimmed), trimmed == modelName(step), isWhole(step) { return step }
    }
    return steps(in: path).reversed().first(where: isWhole)
  }

  /// Steps of which there is a model or a state, ascending.
  static func steps(in path: String) -> [Int] { Set((OutputFolder.files(in: path) ?? []).compactMap(step)).sorted() }

  /// Where the two parts of a step are.
  package static func modelPath(of step: Int, in path: String) -> String { "\(path)/\(modelName(step))" }
  /// The folder of the state after `step` steps.
  package static func statePath(of step: Int, in path: String) -> String { "\(path)/\(stateName(step))" }

  /// Lets two finished folders be found as the checkpoint of `step`, and removes those that are too old.
  ///
  /// `before` is called before each change, with what it is; tests interrupt there.
  func publish(step: Int, model: String, state: String, before: (String) throws -> Void) throws {
    let (newModel, newState) = (Self.modelPath(of: step, in: path), Self.statePath(of: step, in: path))
    // Left by a training that had come further before this one went back.
    for old in [newState, newModel] where FolderFiles.isFolder(old) {
      try before("set aside \(old)")
      let aside = old + Self.oldSuffix + Self.partialSuffix
      try FolderFiles.remove(aside)
      try FolderFiles.rename(old, to: aside)
      try before("remove the files of \(old)")
      try FolderFiles.remove(aside)
    }
    try before("name the state")
    try FolderFiles.rename(state, to: newState)
    try before("name the model")
    try FolderFiles.rename(model, to: newModel)
    try before("write the names to disk")
    try FolderFiles.synchronizeOne(path)
    try before("write latest")
    try FolderFiles.replace("\(path)/\(Self.latestName)", with: Self.modelName(step) + "\n")
    try FolderFiles.synchronizeOne(path)
    try prune(step, before)
  }

  /// Removes what is older than the last `keep` checkpoints up to `step`, but for the pinned model. A state goes before
  /// its model, and each gets another name first, so that half of one is never found.
  private func prune(_ step: Int, _ before: (String) throws -> Void) throws {
    for old in Self.steps(in: path).filter({ $0 <= step }).dropLast(keep) {
      let isPinned = pinEvery > 0 && old == step / pinEvery * pinEvery
      for path in [Self.statePath(of: old, in: path)] + (isPinned ? [] : [Self.modelPath(of: old, in: path)])
      where FolderFiles.isFolder(path) {
        try before("remove \(path)")
        let aside = path + Self.partialSuffix
        try FolderFiles.rename(path, to: aside)
        try before("remove the files of \(path)")
        try FolderFiles.remove(aside)
      }
    }
  }
}

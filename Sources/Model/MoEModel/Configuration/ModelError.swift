/// Why a checkpoint cannot be run, with the file or tensor at fault and what to do.
package enum ModelError: Error, Equatable, CustomStringConvertible {
  case unsupportedArchitecture(String, known: [String])
  case unsupported(key: String, value: String, remedy: String)
  case inconsistent(String)
  case missingTensor(String)
  case unreadTensors([String])
  case foreignPacking(tensor: String, what: String)
  case wrongShape(tensor: String, found: [Int], expected: [Int])
  case wrongType(tensor: String, found: String, expected: String)
  case invalidScale(tensor: String, index: Int, value: Float)
  case invalidBlockScale(tensor: String, row: Int)
  case alreadyQuantized(WeightPrecision, asked: WeightPrecision)
  case notFinite(tensor: String, row: Int)
  case invalidLevel(tensor: String)
  case growingStates(tensor: String)
  case invalidTokenExperts(tensor: String, token: Int, String)
  case insufficientMemory(needed: Int, available: Int)
  case noBackwardPass(family: String)
  case lacksDecayLogarithms(family: String)
  /// Of a file that holds settings and tensors.
  indirect case inFile(String, ModelError)

  package var description: String {
    switch self {
    case .inFile(let path, let error): "\(path.debugDescription): \(error.descriptionInFile)"
    case .unsupportedArchitecture, .unsupported, .inconsistent: "config.json: \(ofSettings ?? "")"
    case .missingTensor(let name):
      """
      the checkpoint has no tensor \(name.debugDescription), which config.json calls for; download the missing \
      shard, or correct config.json
      """
    case .unreadTensors(let names):
      """
      nobody would read \(names[0].debugDescription)\(Self.others(than: names)), because config.json does not call \
      for it; the model would compute something else: correct config.json, or remove the tensors
      """
    case .foreignPacking(let tensor, let what): "tensor \(tensor.debugDescription) is \(what)"
    case .wrongShape(let tensor, let found, let expected):
      "tensor \"\(tensor)\" has shape \(found) where config.json implies \(expected); the files do not belong together"
    case .wrongType(let tensor, let found, let expected):
      "tensor \"\(tensor)\" is stored as \(found) where \(expected) is needed; convert the checkpoint"
    case .invalidScale(let tensor, let index, let value):
      "tensor \"\(tensor)\" has the scale \(value) at index \(index), which must be finite; download the file again"
    case .invalidBlockScale(let tensor, let row):
      "tensor \"\(tensor)\" has a scale of infinity or NaN in a block of row \(row); download the file again"
    case .alreadyQuantized(let own, let asked):
      """
      the checkpoint is quantised to \(own.rawValue) already; for \(asked.rawValue) take the original one (to run \
      it as it is, leave --weights out)
      """
    case .notFinite(let tensor, let row):
      """
      tensor \"\(tensor)\" has infinity or NaN in row \(row), which cannot be quantised; download the file again, \
      or load it with --weights auto
      """
    case .invalidLevel(let tensor):
      "tensor \"\(tensor)\" holds the level -128, where -127 to 127 are levels; quantise the original checkpoint again"
    case .growingStates(let tensor):
      """
      tensor \(tensor.debugDescription) holds a rate above 0, or none at all, with which states would grow \
      with each token; −exp(A) is to be stored: convert the model anew
      """
    case .invalidTokenExperts(let tensor, let token, let what):
      "tensor \"\(tensor)\" sends the token \(token) to \(what); download the file again"
    case .insufficientMemory(let needed, let available):
      """
      this rank's part of the model, with its cache, needs \(Self.size(needed)) and \(Self.size(available)) are \
      available; use more nodes or fewer ranks on this one, lower --kv-cache-tokens or --recurrent-states, or try \
      with --ignore-memory-check
      """
    case .noBackwardPass(let family):
      """
      the modules of this model of the family \(family) draft blocks of tokens together (dspark_block_size), which can \
      be run but not trained: train the model without them, leaving out --prediction-loss
      """
    case .lacksDecayLogarithms(let family):
      """
      a GGUF file of the family \(family) can be run but not trained: it has rates of decay in the place of their \
      logarithms (A_log), which are what is learnt; give the folder that the file was made of
      """
    }
  }

  /// Those after the first, as a part of a sentence about that.
  private static func others(than names: [String]) -> String {
    names.count > 1
      ? " and \(names.count - 1) more tensors of the model's layers" : ", a tensor of one of the model's layers"
  }

  private static func size(_ bytes: Int) -> String {
    let mebibytes = bytes >> 20
    guard mebibytes >= 1024 else { return "\(mebibytes) MiB" }
    return "\(mebibytes >> 10).\((mebibytes & 1023) * 10 >> 10) GiB"
  }
}

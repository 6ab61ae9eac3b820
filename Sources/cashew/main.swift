import Config
import Proxy
